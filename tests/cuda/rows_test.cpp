#include "both_sides.h"

namespace cola::test {
namespace {

using CudaRows = CudaTest;

const std::vector<std::int32_t> ids{3, 0, 3, 9, 9, 9, 1, 0, 3};
const std::vector<std::int32_t> rising{0, 0, 2, 5, 5, 5, 6};

TEST_F(CudaRows, EmbeddingAndGather) {
  for (const DType dtype : both_dtypes) {
    compare([&](Side& side) {
      const auto table = side.random(dtype, 10, 77);
      const auto y = side.random(dtype, std::ssize(ids), 77);
      ops::embedding_forward(side.context, table, ids, y);
      side.result("embedding", y, {});
      ops::embedding_forward(side.context, table, ids, y, ops::Write::add);
      side.result("added", y, tolerance_of(dtype));
      const auto dtable = side.random(DType::f32, 10, 77);
      ops::embedding_backward(side.context, y, ids, dtable);
      side.result("dtable", dtable, {1e-5, 1e-5});
      const ops::Lookup lookup = {.scale = 2.5F, .padding_index = 9};
      for (const ops::Write write : {ops::Write::replace, ops::Write::add}) {
        ops::embedding_forward(side.context, table, ids, y, write, lookup);
        side.result("scaled rows", y, tolerance_of(dtype));
      }
      const auto dy = side.random(dtype, std::ssize(ids), 77);  // exact, as y is not
      ops::embedding_backward(side.context, dy, ids, dtable, lookup);
      side.result("dtable of scaled rows", dtable, {2e-5, 1e-5});
      const auto wide = side.random(DType::f32, std::ssize(ids), 77);
      ops::gather_rows(side.context, table, ids, wide);
      side.result("gathered", wide, {});
    });
  }
}

TEST_F(CudaRows, Scatter) {
  for (const DType dtype : both_dtypes) {
    compare([&](Side& side) {
      const auto x = side.random(dtype, std::ssize(rising), 77);
      const auto y = side.random(dtype, 8, 77);
      ops::scatter_rows(side.context, x, rising, y);
      side.result("scattered", y, tolerance_of(dtype));
    });
  }
}

TEST_F(CudaRows, Norms) {
  for (const DType dtype : both_dtypes) {
    for (const std::int64_t rows : {1, 200}) {
      compare([&](Side& side) {
        constexpr std::int64_t cols = 770;
        const auto x = side.random(dtype, rows, cols, 2.0F);
        const auto dy = side.random(dtype, rows, cols);
        const auto y = side.random(dtype, rows, cols);
        const auto dx = side.random(dtype, rows, cols);
        const auto weight = side.random_vector(cols);
        const auto bias = side.random_vector(cols);
        const auto mean = side.random_vector(rows);
        const auto rstd = side.random_vector(rows);
        const auto dweight = side.random_vector(cols);
        const auto dbias = side.random_vector(cols);
        const Tolerance sums{1e-3, 1e-4};  // over 200 rows of bf16 products
        ops::layer_norm_forward(side.context, x, weight, bias, 1e-5F, y, mean, rstd);
        side.result("layer norm", y, tolerance_of(dtype));
        side.result("mean", mean, {1e-5, 1e-5});
        side.result("rstd", rstd, {1e-5, 1e-5});
        ops::layer_norm_backward(side.context, dy, x, weight, mean, rstd, dx, ops::Write::add, dweight,
                                 dbias);
        side.result("dx", dx, tolerance_of(dtype));
        side.result("dweight", dweight, sums);
        side.result("dbias", dbias, sums);
        for (const bool variant : {false, true}) {
          const ops::RmsNorm norm = {
              .epsilon = 1e-5F, .unit_offset = variant, .rounds_before_weight = variant};
          ops::rms_norm_forward(side.context, x, weight, norm, y, rstd);
          side.result("rms norm", y, tolerance_of(dtype));
          ops::rms_norm_backward(side.context, dy, x, weight, norm, rstd, dx, ops::Write::replace, dweight);
          side.result("rms dx", dx, tolerance_of(dtype));
          side.result("rms dweight", dweight, sums);
        }
      });
    }
  }
}

TEST_F(CudaRows, Updates) {
  constexpr std::int64_t size = 10007;
  compare([&](Side& side) {
    const auto p = side.random_vector(size);
    const auto g = side.random_vector(size);
    const auto m = side.random_vector(size, 0.1F);
    const auto v = side.random_vector(size, 0.1F);
    side.context.memory().fill_zero(std::as_writable_bytes(v).data(), v.size_bytes());
    // Rounded once, from double: only pow and the order of nothing could differ.
    const Tolerance once{1e-9, 2e-7};
    for (std::int64_t step = 1; step <= 3; ++step) {
      // A long one, an empty one and a short one with a rate of its own.
      const auto tensors = [&](std::span<float> first, std::span<float> second) {
        const auto part = [](std::span<float> array, std::size_t begin, std::size_t count) {
          return array.empty() ? array : array.subspan(begin, count);
        };
        const auto tensor = [&](std::size_t begin, std::size_t count, double factor) {
          return ops::UpdatedTensor{part(g, begin, count), part(p, begin, count), part(first, begin, count),
                                    part(second, begin, count), factor};
        };
        return std::vector{tensor(0, size - 7, 1.0), tensor(size - 7, 0, 1.0), tensor(size - 7, 7, 3.0)};
      };
      ops::adamw_update(side.context, {1e-3, 0.9, 0.999, 1e-8, 0.01, step}, 0.5F, tensors(m, v));
      ops::sgd_update(side.context, {1e-2, 0.9, 0.01, step}, 0.5F, tensors(m, {}));
      ops::adagrad_update(side.context, {1e-2, 1e-10, 0.0}, 0.5F, tensors(v, {}));
    }
    side.result("parameter", p, {1e-7, 1e-6});
    side.result("m", m, {1e-7, 1e-6});
    side.result("v", v, once);
    const std::span<const float> arrays[] = {p, g, {}};
    side.result("norm", ops::squared_norm(side.context, arrays), 1e-6);
    const std::span<float> zeroed[] = {m, v.first(5)};
    ops::zero_arrays(side.context, zeroed);
    side.result("zeroed", m, {});
    side.result("partly zeroed", v, once);
  });
}

}  // namespace
}  // namespace cola::test
