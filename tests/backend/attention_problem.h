#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "backend/attention.h"
#include "backend/cpu/kernels/attention_blocks.h"
#include "backend/cpu_isa.h"
#include "backend/ref/attention.h"
#include "support/near.h"
#include "support/tensors.h"

namespace cola::test {

inline ref::AttentionSizes sizes_of(const ops::AttentionShape& shape) {
  return {static_cast<std::size_t>(shape.heads),    static_cast<std::size_t>(shape.kv_heads),
          static_cast<std::size_t>(shape.head_dim), shape.scale,
          static_cast<std::size_t>(shape.window),   shape.soft_cap};
}

inline kernels::AttentionScores scores_of(const ops::AttentionShape& shape) {
  return {shape.scale, shape.window, shape.soft_cap};
}

inline ops::AttentionShape shape_of(std::int64_t heads, std::int64_t kv_heads, std::int64_t head_dim) {
  return {heads, kv_heads, head_dim, 1.0F / std::sqrt(static_cast<float>(head_dim))};
}

inline ops::AttentionShape with(ops::AttentionShape shape, std::int64_t window, float soft_cap) {
  shape.window = window;
  shape.soft_cap = soft_cap;
  return shape;
}

/// The shape with a window, with a soft cap that most scores feel, with both, and with neither.
inline std::vector<ops::AttentionShape> variants(const ops::AttentionShape& shape) {
  return {shape, with(shape, 1, 0.0F), with(shape, 40, 0.0F), with(shape, 0, 1.5F), with(shape, 40, 1.5F)};
}

// Tile products round weights to bf16 before they are multiplied with values (|v| up to 4.5): an error of up
// to 2^-9 of a mean of |v|. In the backward a score's gradient (up to 10 weights) and its weight are rounded
// as well, times sums of |key|, |query| or |dout| up to 5.
inline Tolerance tile_forward_tolerance() { return {1e-2, 0x1p-8, 2e-5}; }
inline Tolerance tile_backward_tolerance() { return {6e-2, 0x1p-7, 5e-5}; }
inline bool attends_by_tiles(DType dtype) {
  return dtype == DType::bf16 && ops::cpu_isa() == ops::CpuIsa::amx;
}

// f32: scores of order 1 to 5 from up to 128 products, exp to 2 ulp, sums of up to some hundred terms:
// relative errors of some 1e-6 in every product, on results of order 1. bf16: the result is rounded once
// more.
inline Tolerance forward_tolerance(DType dtype) {
  if (attends_by_tiles(dtype)) return tile_forward_tolerance();
  if (dtype == DType::f32) return {3e-6, 3e-6, 1e-11};
  return {1e-4, 0x1p-8, 1e-5};
}

// The backward starts from the forward's result: in bf16 its rounding is an error of up to 2^-9 |dout out|
// (2^-9 x 12) in a term of rowsum(dout out), and that times a key or query (up to 5) and half a weight in an
// element of dq or dk. A wrong formula shows in the cosine, and in f32.
inline Tolerance backward_tolerance(DType dtype) {
  if (attends_by_tiles(dtype)) return tile_backward_tolerance();
  if (dtype == DType::f32) return {2e-5, 1e-5, 1e-10};
  return {6e-2, 0x1p-8, 3e-5};
}

/// Random operands of attention, and room for its results.
struct AttentionProblem {
  AttentionProblem(DType dtype, const ops::AttentionShape& s, std::vector<std::int32_t> sequence_offsets,
                   std::int64_t padding = 0, std::vector<std::int32_t> sequence_prefixes = {})
      : shape(s),
        offsets(std::move(sequence_offsets)),
        prefixes(std::move(sequence_prefixes)),
        tokens(offsets.back()),
        q(random_matrix(dtype, tokens, s.heads * s.head_dim, 1, 1.5, padding)),
        k(random_matrix(dtype, tokens, s.kv_heads * s.head_dim, 2, 1.5, padding)),
        v(random_matrix(dtype, tokens, s.kv_heads * s.head_dim, 3, 1.0, 2 * padding)),
        dout(random_matrix(dtype, tokens, s.heads * s.head_dim, 4, 1.0, padding)),
        out(dtype, tokens, s.heads * s.head_dim, padding),
        log_sum_exp(DType::f32, tokens, s.heads, padding),
        dq(dtype, tokens, s.heads * s.head_dim, 2 * padding),
        dk(dtype, tokens, s.kv_heads * s.head_dim, padding),
        dv(dtype, tokens, s.kv_heads * s.head_dim, padding) {}

  void run() {
    ops::Context context;
    ops::attention_forward(context, shape, offsets, prefixes, q.view(), k.view(), v.view(), out.view(),
                           log_sum_exp.view());
    ops::attention_backward(context, shape, offsets, prefixes, dout.view(), q.view(), k.view(), v.view(),
                            out.view(), log_sum_exp.view(), dq.view(), dk.view(), dv.view());
  }
  /// Compares what the members hold with ref.
  void check(DType dtype) const { check(forward_tolerance(dtype), backward_tolerance(dtype)); }
  void check(const Tolerance& of_forward, const Tolerance& of_backward) const {
    const auto nq = numbers(q.view());
    const auto nk = numbers(k.view());
    const auto nv = numbers(v.view());
    const auto expected = ref::attention_forward<double>(sizes_of(shape), offsets, prefixes, nq, nk, nv);
    EXPECT_TRUE(is_near(out.view(), expected.out, of_forward));
    EXPECT_TRUE(is_near(log_sum_exp.view(), expected.log_sum_exp, forward_tolerance(DType::f32)));
    const auto gradients =
        ref::attention_backward<double>(sizes_of(shape), offsets, prefixes, numbers(dout.view()), nq, nk, nv);
    EXPECT_TRUE(is_near(dq.view(), gradients.dq, of_backward));
    EXPECT_TRUE(is_near(dk.view(), gradients.dk, of_backward));
    EXPECT_TRUE(is_near(dv.view(), gradients.dv, of_backward));
    EXPECT_TRUE(out.padding_intact() && log_sum_exp.padding_intact() && dq.padding_intact() &&
                dk.padding_intact() && dv.padding_intact());
  }
  /// All results of rows [begin, end).
  [[nodiscard]] std::vector<double> results(std::int64_t begin, std::int64_t end) const {
    std::vector<double> all;
    for (const TestMatrix* matrix : {&out, &log_sum_exp, &dq, &dk, &dv}) {
      const auto part = numbers(matrix->view().row_range(begin, end));
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }

  ops::AttentionShape shape;
  std::vector<std::int32_t> offsets, prefixes;
  std::int64_t tokens;
  TestMatrix q, k, v, dout, out, log_sum_exp, dq, dk, dv;
};

}  // namespace cola::test
