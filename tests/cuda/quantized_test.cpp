#include "support/quantized.h"
#include "both_sides.h"

// Ops that read weights of a quantised type.
namespace cola::test {
namespace {

using CudaQuantized = CudaTest;

/// Sums of k products of order one; a bf16 result has 8 bits.
Tolerance product_tolerance(DType result, std::int64_t k) {
  const double sum = 2e-6 * static_cast<double>(k);
  return result == DType::f32 ? Tolerance{sum, 1e-5} : Tolerance{sum + 5e-2, 8e-3};
}

TEST_F(CudaQuantized, Products) {
  for (const DType weight : quantized_types) {
    SCOPED_TRACE(name_of(weight));
    for (const DType dtype : both_dtypes) {
      compare([&](Side& side) {
        constexpr std::int64_t t = 7, n = 70, k = 256;
        auto& context = side.context;
        const auto x = side.random(dtype, t, k);
        const auto dy = side.random(dtype, t, n);
        const auto bias = side.random_vector(n);
        const auto w = side.matrix(random_blocks(weight, n, k, 1));
        const auto y = side.random(dtype, t, n);
        ops::linear_forward(context, x, w, bias, {}, y);
        side.result("y", y, product_tolerance(dtype, k));
        ops::linear_forward(context, x, w, bias, y, y);
        side.result("y added to", y, product_tolerance(dtype, 2 * k));
        const auto wide = side.random(DType::f32, t, n);
        ops::linear_forward(context, x, w, {}, {}, wide);
        side.result("f32 y", wide, product_tolerance(DType::f32, k));
        const auto dx = side.random(dtype, t, k);
        ops::linear_backward_input(context, dy, w, dx, ops::Write::add);
        side.result("dx", dx, product_tolerance(dtype, n));
        const auto mask = side.bytes(ops::relu_mask_bytes(t, n));
        ops::linear_relu_forward(context, x, w, bias, y, mask);
        side.result("relu", y, product_tolerance(dtype, k));
        const auto mask_of_x = side.bytes(ops::relu_mask_bytes(t, k));
        const auto signs = side.random(dtype, t, k);
        ops::relu_forward(context, signs, mask_of_x);
        ops::linear_relu_backward(context, dy, w, mask_of_x, dx);
        side.result("relu dx", dx, product_tolerance(dtype, n));
        const auto gate = side.random(dtype, t, n);
        const auto h = side.random(dtype, t, n);
        ops::linear_gate_forward(context, ops::Gate::silu, x, w, bias, gate, y, h);
        side.result("h", h, product_tolerance(dtype, 2 * k));
      });
    }
  }
}

TEST_F(CudaQuantized, SlabsOfOneProduct) {
  compare([&](Side& side) {
    constexpr std::int64_t t = 2, n = 8256, k = 2304;  // 36 MiB in bf16
    auto& context = side.context;
    const auto x = side.random(DType::bf16, t, k);
    const auto dy = side.random(DType::bf16, t, n);
    const auto bias = side.random_vector(n);
    const auto w = side.matrix(random_blocks(DType::q4_k, n, k, 1));
    const auto y = side.random(DType::f32, t, n);
    ops::linear_forward(context, x, w, bias, {}, y);
    side.result("y", y, product_tolerance(DType::f32, k));
    const auto dx = side.random(DType::f32, t, k);
    ops::linear_backward_input(context, dy, w, dx, ops::Write::replace);
    side.result("dx", dx, product_tolerance(DType::f32, n));
  });
}

TEST_F(CudaQuantized, Rows) {
  const std::vector<std::int32_t> ids = {4, 0, 10, 4};
  for (const DType weight : quantized_types) {
    SCOPED_TRACE(name_of(weight));
    for (const DType dtype : both_dtypes) {
      compare([&](Side& side) {
        const auto table = side.matrix(random_blocks(weight, 11, 512, 1));
        const auto y = side.random(dtype, 4, 512);
        ops::embedding_forward(side.context, table, ids, y);
        side.result("embedding", y, {});
        for (const ops::Write write : {ops::Write::add, ops::Write::replace}) {
          ops::embedding_forward(side.context, table, ids, y, write, {.scale = 2.5F, .padding_index = -1});
          side.result("scaled", y, tolerance_of(dtype));
        }
        const auto all = side.random(dtype, 11, 512);
        ops::convert(side.context, table, all);
        side.result("converted", all, {});
      });
    }
  }
}

}  // namespace
}  // namespace cola::test
