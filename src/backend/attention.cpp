#include "backend/attention.h"

#include <algorithm>

#include "backend/backend.h"
#include "backend/checks.h"
#include "backend/profile.h"

namespace cola::ops {
namespace {

void check_attention(const AttentionShape& shape, std::string_view op) {
  check(shape.head_dim > 0 && shape.kv_heads > 0 && shape.heads > 0 && shape.heads % shape.kv_heads == 0, op,
        "the query heads are not a multiple of the key/value heads");
  check(shape.window >= 0, op, "a negative window");
  check(shape.soft_cap >= 0.0F, op, "a negative soft cap");
}

void check_offsets(std::span<const std::int32_t> offsets, std::int64_t rows, std::string_view op) {
  check(!offsets.empty() && offsets.front() == 0 && offsets.back() == rows && std::ranges::is_sorted(offsets),
        op, "the offsets do not rise from 0 to the number of rows");
}

/// Offsets and prefixes as the header says; the forward's operands fit them and each other.
void check_batch(const AttentionShape& shape, std::span<const std::int32_t> offsets,
                 std::span<const std::int32_t> prefixes, ConstMatrixView q, ConstMatrixView k,
                 ConstMatrixView v, ConstMatrixView out, ConstMatrixView log_sum_exp, std::string_view op) {
  check_attention(shape, op);
  check_offsets(offsets, q.rows, op);
  check(prefixes.empty() || prefixes.size() + 1 == offsets.size(), op, "one prefix a sequence");
  for (std::size_t s = 0; s < prefixes.size(); ++s) {
    const std::int32_t prefix = prefixes[s];
    check(prefix >= -1 && prefix < static_cast<std::int32_t>(s), op, "a prefix is not an earlier sequence");
    check(prefix < 0 || prefixes[static_cast<std::size_t>(prefix)] < 0, op, "a prefix has a prefix");
  }
  check_shape(q, q.rows, shape.heads * shape.head_dim, op, "q");
  check_shape(k, q.rows, shape.kv_heads * shape.head_dim, op, "k");
  check_alike({q, out}, op);
  check_alike({k, v}, op);
  check(k.dtype == q.dtype, op, "q and k differ in dtype");
  check_shape(log_sum_exp, q.rows, shape.heads, op, "log_sum_exp");
  check(log_sum_exp.dtype == DType::f32, op, "log_sum_exp is not f32");
}

void check_sequences(const AttentionShape& shape, std::span<const std::int32_t> offsets,
                     std::span<const CachedSequence> sequences, ConstMatrixView q, ConstMatrixView out) {
  constexpr std::string_view op = "attention_cached";
  check_attention(shape, op);
  check_offsets(offsets, q.rows, op);
  check(sequences.size() + 1 == offsets.size(), op, "one cache a sequence");
  check_shape(q, q.rows, shape.heads * shape.head_dim, op, "q");
  check_alike({q, out}, op);
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const auto& [keys, values] = sequences[s];
    check(keys.rows >= offsets[s + 1] - offsets[s], op, "a cache has less than the new rows");
    check_shape(keys, keys.rows, shape.kv_heads * shape.head_dim, op, "keys");
    check_alike({keys, values}, op);
    check(keys.dtype == q.dtype, op, "q and keys differ in dtype");
  }
}

}  // namespace

void attention_forward(Context& context, const AttentionShape& shape, std::span<const std::int32_t> offsets,
                       std::span<const std::int32_t> prefixes, ConstMatrixView q, ConstMatrixView k,
                       ConstMatrixView v, MatrixView out, MatrixView log_sum_exp) {
  const ProfileScope scope(context, "attention_forward", bytes_of({q, k, v, out, log_sum_exp}));
  check_batch(shape, offsets, prefixes, q, k, v, out, log_sum_exp, "attention_forward");
  context.backend().ops().attention_forward(context, shape, offsets, prefixes, q, k, v, out, log_sum_exp);
}

void attention_backward(Context& context, const AttentionShape& shape, std::span<const std::int32_t> offsets,
                        std::span<const std::int32_t> prefixes, ConstMatrixView dout, ConstMatrixView q,
                        ConstMatrixView k, ConstMatrixView v, ConstMatrixView out,
                        ConstMatrixView log_sum_exp, MatrixView dq, MatrixView dk, MatrixView dv) {
  const std::string_view op = "attention_backward";
  const ProfileScope scope(context, op, bytes_of({dout, q, k, v, out, log_sum_exp, dq, dk, dv}));
  check_batch(shape, offsets, prefixes, q, k, v, out, log_sum_exp, op);
  check_alike({q, dout, dq}, op);
  check_alike({k, dk, dv}, op);
  context.backend().ops().attention_backward(context, shape, offsets, prefixes, dout, q, k, v, out,
                                             log_sum_exp, dq, dk, dv);
}

void attention_cached(Context& context, const AttentionShape& shape, std::span<const std::int32_t> offsets,
                      std::span<const CachedSequence> sequences, ConstMatrixView q, MatrixView out) {
  check_sequences(shape, offsets, sequences, q, out);
  std::uint64_t bytes = bytes_of({q, out});
  for (const auto& [keys, values] : sequences) bytes += bytes_of({keys, values});
  const ProfileScope scope(context, "attention_cached", bytes);
  context.backend().ops().attention_cached(context, shape, offsets, sequences, q, out);
}

}  // namespace cola::ops
