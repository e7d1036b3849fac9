#include "backend/cpu/kernels/attention_backward.h"

#include "backend/cpu/kernels/attention_product.h"
#include "backend/cpu/kernels/soft_cap.h"

namespace cola::kernels::COLA_ISA_NAMESPACE {
namespace {

struct Buffers {
  float* keys;               // [packed keys][padded]
  float* transposed_keys;    // [packed keys / key_block][head_dim][key_block]
  float* transposed_values;  // as transposed_keys
  float* dkeys;              // [packed keys][padded], sums over the group's query heads
  float* dvalues;            // as dkeys
  float* queries;            // [query_block][padded], scaled
  float* doutput;            // [query_block][padded]
  float* dqueries;           // [query_block][padded]
  float* weights;            // [query_block][key_block]
  float* dscores;            // [query_block][key_block]
};

/// weights = exp(scores - log_sum_exp), dscores = weights (dweights - delta), in place, for the keys that are
/// seen. `capped`: the scores become cap tanh(scores / cap) first, and dscores are of what they were before.
template <bool capped>
[[gnu::always_inline]] inline void softmax_backward(Range seen, float cap, float log_sum_exp, float delta,
                                                    float* weights, float* dscores) {
  for (std::int64_t i = vector_begin(seen.begin); i < seen.end; i += lanes) {
    const auto [score, slope] = soft_cap<capped>(load(weights + i), cap);
    const Floats weight = exp_of(score - log_sum_exp);
    store(weight, weights + i);
    store(weight * (load(dscores + i) - delta) * slope, dscores + i);
  }
}

/// The contribution of `count` queries and a block of keys, whose products are in buffers.weights and
/// buffers.dscores, to everything. log_sum_exp, delta: of the queries.
template <bool cut>
void backward_keys(const AttentionScores& scoring, const KeyBlock& block, std::int64_t packed,
                   std::int64_t head_dim, std::int64_t count, const float* log_sum_exp, const float* delta,
                   const Buffers& buffers) {
  const std::int64_t stride = padded(head_dim);
  const SeenKeys<cut> seen = {block};
  const SeeingQueries<cut> seen_by = {block, count};
  const float cap = scoring.soft_cap;
  for (std::int64_t i = 0; i < count; ++i) {
    float* weights = buffers.weights + i * key_block;
    float* dscores = buffers.dscores + i * key_block;
    if (cap > 0.0F) {
      softmax_backward<true>(seen(i), cap, log_sum_exp[i], delta[i], weights, dscores);
    } else {
      softmax_backward<false>(seen(i), cap, log_sum_exp[i], delta[i], weights, dscores);
    }
  }
  multiply<true>(block.keys, head_dim, seen_by, {buffers.weights, 1, key_block}, {buffers.doutput, stride},
                 {buffers.dvalues + packed * stride, stride});
  multiply<true>(block.keys, head_dim, seen_by, {buffers.dscores, 1, key_block}, {buffers.queries, stride},
                 {buffers.dkeys + packed * stride, stride});
  multiply<true>(count, head_dim, seen, {buffers.dscores, key_block, 1},
                 {buffers.keys + packed * stride, stride}, {buffers.dqueries, stride});
}

/// The contribution of queries first .. first + count of query head `head` to everything; dq is written. The
/// sequence's first query is row `begin`.
template <class T>
void backward_block(const AttentionBackward<T>& work, const KeySequence& sequence, std::int64_t head,
                    std::int64_t begin, std::int64_t first, std::int64_t count, const Buffers& buffers) {
  const std::int64_t head_dim = work.head_dim;
  const std::int64_t stride = padded(head_dim);
  const std::int64_t column = head * head_dim;
  const std::int64_t row = begin + first;
  pack_rows<T>(count, head_dim, {work.q[row] + column, work.q.stride}, work.scores.scale, buffers.queries);
  pack_rows<T>(count, head_dim, {work.dout[row] + column, work.dout.stride}, 1.0F, buffers.doutput);
  float log_sum_exp[query_block];
  float delta[query_block];
  for (std::int64_t i = 0; i < count; ++i) {
    log_sum_exp[i] = work.log_sum_exp[row + i][head];
    const float* doutput = buffers.doutput + i * stride;
    delta[i] = sum_over(head_dim, [](auto a, auto b) { return a * b; }, doutput, work.out[row + i] + column);
  }
  for (std::int64_t i = 0; i < count * stride; ++i) buffers.dqueries[i] = 0.0F;

  const auto all = [head_dim](std::int64_t) { return Range{0, head_dim}; };
  const std::int64_t end = sequence.end(first, count);
  for (std::int64_t packed = sequence.begin(first); packed < end; packed += key_block) {
    const KeyBlock block = sequence.block(packed, first, count);
    multiply<false>(count, block.keys, all, {buffers.queries, stride, 1},
                    {buffers.transposed_keys + packed * stride, key_block}, {buffers.weights, key_block});
    multiply<false>(count, block.keys, all, {buffers.doutput, stride, 1},
                    {buffers.transposed_values + packed * stride, key_block}, {buffers.dscores, key_block});
    const auto add_keys = block.is_cut(count) ? backward_keys<true> : backward_keys<false>;
    add_keys(work.scores, block, packed, head_dim, count, log_sum_exp, delta, buffers);
  }
  for (std::int64_t i = 0; i < count; ++i) {
    unpack_row(head_dim, buffers.dqueries + i * stride, work.scores.scale, work.dq[row + i] + column);
  }
}

/// Packs keys and values of rows [begin, begin + count) from packed row `to` on; their gradients start at 0.
template <class T>
void pack_keys(const AttentionBackward<T>& work, std::int64_t begin, std::int64_t count, std::int64_t to,
               const Buffers& buffers) {
  const std::int64_t stride = padded(work.head_dim);
  const std::int64_t at = to * stride;
  pack_rows<T>(count, work.head_dim, {work.v[begin], work.v.stride}, 1.0F, buffers.keys + at);
  transpose_blocks(count, work.head_dim, buffers.keys + at, buffers.transposed_values + at);
  pack_rows<T>(count, work.head_dim, {work.k[begin], work.k.stride}, 1.0F, buffers.keys + at);
  transpose_blocks(count, work.head_dim, buffers.keys + at, buffers.transposed_keys + at);
  for (std::int64_t i = at; i < at + count * stride; ++i) buffers.dkeys[i] = buffers.dvalues[i] = 0.0F;
}

template <class T>
void backward_queries(const AttentionBackward<T>& work, const KeySequence& sequence, std::int64_t begin,
                      std::int64_t queries, const Buffers& buffers) {
  for (std::int64_t head = 0; head < work.group; ++head) {
    for (std::int64_t first = 0; first < queries; first += query_block) {
      backward_block(work, sequence, head, begin, first, clamp(queries - first, 0, query_block), buffers);
    }
  }
}

/// Writes dk and dv of rows [begin, begin + count), packed from row `from` on.
template <class T>
void unpack_keys(const AttentionBackward<T>& work, std::int64_t begin, std::int64_t count, std::int64_t from,
                 const Buffers& buffers) {
  const std::int64_t stride = padded(work.head_dim);
  for (std::int64_t row = 0; row < count; ++row) {
    unpack_row(work.head_dim, buffers.dkeys + (from + row) * stride, 1.0F, work.dk[begin + row]);
    unpack_row(work.head_dim, buffers.dvalues + (from + row) * stride, 1.0F, work.dv[begin + row]);
  }
}

template <class T>
void backward(const AttentionBackward<T>& work, float* scratch) {
  const std::int64_t stride = padded(work.head_dim);
  const std::int64_t whole = attention_packed_keys(work.length, work.continuations) * stride;
  const std::int64_t block = query_block * stride;
  Buffers buffers = {};
  buffers.keys = scratch;
  buffers.transposed_keys = buffers.keys + whole;
  buffers.transposed_values = buffers.transposed_keys + whole;
  buffers.dkeys = buffers.transposed_values + whole;
  buffers.dvalues = buffers.dkeys + whole;
  buffers.queries = buffers.dvalues + whole;
  buffers.doutput = buffers.queries + block;
  buffers.dqueries = buffers.doutput + block;
  buffers.weights = buffers.dqueries + block;
  buffers.dscores = buffers.weights + query_block * key_block;

  pack_keys(work, 0, work.length, 0, buffers);
  const std::int64_t window = work.scores.window;
  backward_queries(work, {0, 0, window}, 0, work.length, buffers);
  const KeySequence continuation = {work.length, 0, window};
  for (std::int64_t i = 0; i < work.continuations.count; ++i) {
    const auto [begin, end] = work.continuations.sequences[i];
    pack_keys(work, begin, end - begin, continuation.own_begin(), buffers);
    backward_queries(work, continuation, begin, end - begin, buffers);
    unpack_keys(work, begin, end - begin, continuation.own_begin(), buffers);
  }
  unpack_keys(work, 0, work.length, 0, buffers);  // with what the continuations added
}

}  // namespace

const AttentionBackwardKernels<float> attention_backward_f32 = {backward<float>};
const AttentionBackwardKernels<std::uint16_t> attention_backward_bf16 = {backward<std::uint16_t>};

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
