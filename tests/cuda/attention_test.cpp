#include "both_sides.h"

namespace cola::test {
namespace {

using CudaAttention = CudaTest;

struct Batch {
  std::vector<std::int32_t> offsets, prefixes;
};

// One sequence; several, one of them empty; a prefix with continuations across tiles.
const Batch batches[] = {
    {{0, 65}, {}}, {{0, 1, 1, 40, 170, 171}, {}}, {{0, 100, 103, 140, 141, 250}, {-1, 0, 0, -1, 0}}};

constexpr ops::AttentionShape shapes[] = {{4, 4, 64, 0.125F},
                                          {8, 2, 128, 0.088F},
                                          {2, 1, 40, 0.158F},
                                          {2, 2, 13, 0.277F},
                                          {2, 1, 64, 0.125F, 33},
                                          {2, 1, 40, 0.158F, 0, 1.5F},
                                          {2, 1, 128, 0.088F, 90, 1.5F},
                                          {2, 1, 13, 0.277F, 20, 1.5F}};

TEST_F(CudaAttention, ForwardAndBackward) {
  for (const DType dtype : both_dtypes) {
    for (const auto& shape : shapes) {
      for (const Batch& batch : batches) {
        compare([&](Side& side) {
          const std::int64_t rows = batch.offsets.back();
          const std::int64_t width = shape.heads * shape.head_dim;
          const std::int64_t kv_width = shape.kv_heads * shape.head_dim;
          const auto q = side.random(dtype, rows, width, 2.0F);
          const auto k = side.random(dtype, rows, kv_width, 2.0F);
          const auto v = side.random(dtype, rows, kv_width);
          const auto dout = side.random(dtype, rows, width);
          const auto out = side.random(dtype, rows, width);
          const auto log_sum_exp = side.random(DType::f32, rows, shape.heads);
          ops::attention_forward(side.context, shape, batch.offsets, batch.prefixes, q, k, v, out,
                                 log_sum_exp);
          // bf16 on tensor cores: weights and score gradients are rounded to bf16 between the products.
          const bool f32 = dtype == DType::f32;
          const Tolerance values = f32 ? Tolerance{2e-5, 2e-5} : Tolerance{1.5e-2, 1.6e-2};
          const Tolerance gradients = f32 ? Tolerance{1e-4, 5e-5} : Tolerance{6e-2, 3e-2};
          side.result("out", out, values);
          side.result("log_sum_exp", log_sum_exp, {1e-4, 1e-5});
          const auto dq = side.random(dtype, rows, width);
          const auto dk = side.random(dtype, rows, kv_width);
          const auto dv = side.random(dtype, rows, kv_width);
          ops::attention_backward(side.context, shape, batch.offsets, batch.prefixes, dout, q, k, v, out,
                                  log_sum_exp, dq, dk, dv);
          side.result("dq", dq, gradients);
          side.result("dk", dk, gradients);
          side.result("dv", dv, gradients);
        });
      }
    }
  }
}

TEST_F(CudaAttention, OverCaches) {
  const std::vector<std::int32_t> few{0, 1, 2, 4};
  const std::vector<std::int32_t> many{0, 1, 30, 34};
  for (const DType dtype : both_dtypes) {
    for (const auto& shape : shapes) {
      for (const auto& offsets : {few, many}) {
        compare([&](Side& side) {
          const std::int64_t kv_width = shape.kv_heads * shape.head_dim;
          std::vector<ops::CachedSequence> caches;
          for (const std::int64_t length : {300, 70, 9}) {
            const auto keys = side.random(dtype, length + 5, kv_width, 2.0F);
            const auto values = side.random(dtype, length + 5, kv_width);
            caches.push_back({keys.row_range(0, length), values.row_range(0, length)});
          }
          const auto q = side.random(dtype, offsets.back(), shape.heads * shape.head_dim, 2.0F);
          const auto out = side.random(dtype, q.rows, q.cols);
          ops::attention_cached(side.context, shape, offsets, caches, q, out);
          side.result("out", out, dtype == DType::f32 ? Tolerance{2e-5, 2e-5} : Tolerance{1.5e-2, 1.6e-2});
        });
      }
    }
  }
}

}  // namespace
}  // namespace cola::test
