#pragma once
#include <cstdint>
#include <span>

#include "backend/context.h"
#include "core/matrix.h"

namespace cola::ops {

/// Sizes of grouped-query attention: query head h reads key/value head h / (heads / kv_heads).
struct AttentionShape {
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  float scale = 1.0F;  ///< of the scores: most often 1 / sqrt(head_dim)
  /// A query at position i sees the key at j <= i where i - j < window: so many keys, its own included. 0:
  /// all up to its own. Positions count through a prefix.
  std::int64_t window = 0;
  float soft_cap = 0.0F;  ///< c > 0: scores s become c tanh(s / c) (Bello et al., 2016); 0: none
};

/// Causal attention over a ragged batch: sequence s is rows offsets[s] .. offsets[s+1] of every matrix, and
/// attends to itself only, or, where prefixes[s] >= 0, to all rows of that sequence and then to its own.
/// prefixes [S], or empty where no sequence has one: prefixes[s] < s, and a prefix has none itself (-1).
/// q, out [T, heads * head_dim], k, v [T, kv_heads * head_dim] in the compute dtype;
/// softmax in f32; log_sum_exp [T, heads] (f32, written) is kept for the backward. No T x T matrix is kept
/// (Dao, 2023).
void attention_forward(Context& context, const AttentionShape& shape, std::span<const std::int32_t> offsets,
                       std::span<const std::int32_t> prefixes, ConstMatrixView q, ConstMatrixView k,
                       ConstMatrixView v, MatrixView out, MatrixView log_sum_exp);

/// dq, dk, dv are written (all rows); a prefix's rows get the sum over its own queries and those of all
/// sequences that continue it, added in the order of the batch.
void attention_backward(Context& context, const AttentionShape& shape, std::span<const std::int32_t> offsets,
                        std::span<const std::int32_t> prefixes, ConstMatrixView dout, ConstMatrixView q,
                        ConstMatrixView k, ConstMatrixView v, ConstMatrixView out,
                        ConstMatrixView log_sum_exp, MatrixView dq, MatrixView dk, MatrixView dv);

/// Keys and values of a sequence so far, [length, kv_heads * head_dim] each; with a window, of its last
/// positions, at least those that the new rows see.
struct CachedSequence {
  ConstMatrixView keys, values;
};

/// Attention of new tokens over key/value caches: rows offsets[s] .. offsets[s+1] of q and out
/// [n, heads * head_dim] are the last rows of sequences[s], and attend to its rows up to their own.
/// One new row that sees all rows of its sequence finds them in any order.
void attention_cached(Context& context, const AttentionShape& shape, std::span<const std::int32_t> offsets,
                      std::span<const CachedSequence> sequences, ConstMatrixView q, MatrixView out);

}  // namespace cola::ops
