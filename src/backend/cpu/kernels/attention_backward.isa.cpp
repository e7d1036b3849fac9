#include "backend/cpu/kernels/attention_backward.h"

#include "backend/cpu/kernels/attention_product.h"

namespace cola::kernels::COLA_ISA_NAMESPACE {
namespace {

struct Buffers {
  float* keys;               // [length][padded]
  float* transposed_keys;    // [length / key_block][head_dim][key_block]
  float* transposed_values;  // as transposed_keys
  float* dkeys;              // [length][padded], sums over the group's query heads
  float* dvalues;            // as dkeys
  float* queries;            // [query_block][padded], scaled
  float* doutput;            // [query_block][padded]
  float* dqueries;           // [query_block][padded]
  float* weights;            // [query_block][key_block]
  float* dscores;            // [query_block][key_block]
};

/// weights = exp(scores - log_sum_exp), dscores = weights (dweights - delta), in place, for the first `count`
/// keys.
[[gnu::always_inline]] inline void softmax_backward(std::int64_t count, float log_sum_exp, float delta,
                                                    float* weights, float* dscores) {
  for (std::int64_t i = 0; i < count; i += lanes) {
    const Floats weight = exp_of(load(weights + i) - log_sum_exp);
    store(weight, weights + i);
    store(weight * (load(dscores + i) - delta), dscores + i);
  }
}

/// The contribution of queries first .. first + count of query head `head` to everything; dq is written.
template <class T>
void backward_block(const AttentionBackward<T>& work, std::int64_t head, std::int64_t first,
                    std::int64_t count, const Buffers& buffers) {
  const std::int64_t head_dim = work.head_dim;
  const std::int64_t stride = padded(head_dim);
  const std::int64_t column = head * head_dim;
  pack_rows<T>(count, head_dim, {work.q[first] + column, work.q.stride}, work.scale, buffers.queries);
  pack_rows<T>(count, head_dim, {work.dout[first] + column, work.dout.stride}, 1.0F, buffers.doutput);
  float delta[query_block];
  for (std::int64_t i = 0; i < count; ++i) {
    const float* doutput = buffers.doutput + i * stride;
    delta[i] =
        sum_over(head_dim, [](auto a, auto b) { return a * b; }, doutput, work.out[first + i] + column);
  }
  for (std::int64_t i = 0; i < count * stride; ++i) buffers.dqueries[i] = 0.0F;

  const auto all = [head_dim](std::int64_t) { return Range{0, head_dim}; };
  for (std::int64_t begin = 0; begin < first + count; begin += key_block) {
    const std::int64_t keys = clamp(first + count - begin, 0, key_block);
    const auto seen = [=](std::int64_t query) { return Range{0, clamp(first + query + 1 - begin, 0, keys)}; };
    const auto seen_by = [=](std::int64_t key) { return Range{clamp(begin + key - first, 0, count), count}; };
    multiply<false>(count, keys, all, {buffers.queries, stride, 1},
                    {buffers.transposed_keys + begin * stride, key_block}, {buffers.weights, key_block});
    multiply<false>(count, keys, all, {buffers.doutput, stride, 1},
                    {buffers.transposed_values + begin * stride, key_block}, {buffers.dscores, key_block});
    for (std::int64_t i = 0; i < count; ++i) {
      softmax_backward(seen(i).end, work.log_sum_exp[first + i][head], delta[i],
                       buffers.weights + i * key_block, buffers.dscores + i * key_block);
    }
    multiply<true>(keys, head_dim, seen_by, {buffers.weights, 1, key_block}, {buffers.doutput, stride},
                   {buffers.dvalues + begin * stride, stride});
    multiply<true>(keys, head_dim, seen_by, {buffers.dscores, 1, key_block}, {buffers.queries, stride},
                   {buffers.dkeys + begin * stride, stride});
    multiply<true>(count, head_dim, seen, {buffers.dscores, key_block, 1},
                   {buffers.keys + begin * stride, stride}, {buffers.dqueries, stride});
  }
  for (std::int64_t i = 0; i < count; ++i) {
    unpack_row(head_dim, buffers.dqueries + i * stride, work.scale, work.dq[first + i] + column);
  }
}

template <class T>
void backward(const AttentionBackward<T>& work, float* scratch) {
  const std::int64_t stride = padded(work.head_dim);
  const std::int64_t whole = round_up(work.length, key_block) * stride;
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

  pack_rows(work.length, work.head_dim, work.v, 1.0F, buffers.keys);
  transpose_blocks(work.length, work.head_dim, buffers.keys, buffers.transposed_values);
  pack_rows(work.length, work.head_dim, work.k, 1.0F, buffers.keys);
  transpose_blocks(work.length, work.head_dim, buffers.keys, buffers.transposed_keys);
  for (std::int64_t i = 0; i < work.length * stride; ++i) buffers.dkeys[i] = buffers.dvalues[i] = 0.0F;
  for (std::int64_t head = 0; head < work.group; ++head) {
    for (std::int64_t first = 0; first < work.length; first += query_block) {
      backward_block(work, head, first, clamp(work.length - first, 0, query_block), buffers);
    }
  }
  for (std::int64_t row = 0; row < work.length; ++row) {
    unpack_row(work.head_dim, buffers.dkeys + row * stride, 1.0F, work.dk[row]);
    unpack_row(work.head_dim, buffers.dvalues + row * stride, 1.0F, work.dv[row]);
  }
}

}  // namespace

const AttentionBackwardKernels<float> attention_backward_f32 = {backward<float>};
const AttentionBackwardKernels<std::uint16_t> attention_backward_bf16 = {backward<std::uint16_t>};

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
