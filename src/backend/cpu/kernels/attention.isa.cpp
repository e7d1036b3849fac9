#include "backend/cpu/kernels/attention.h"

#include "backend/cpu/kernels/attention_product.h"
#include "backend/cpu/kernels/attention_softmax.h"
#include "backend/cpu/kernels/attention_with_cache.h"

namespace cola::kernels::COLA_ISA_NAMESPACE {
namespace {

struct Buffers {
  const float* keys;    // [keys / key_block][head_dim][key_block]
  const float* values;  // [keys][padded]
  float* queries;       // [query_block][padded]
  float* scores;        // [query_block][key_block]
  float* output;        // [query_block][padded]
};

/// Takes a block of keys, whose scores are in buffers.scores, into the softmax and the output of `count`
/// queries.
template <class T, bool cut>
void take_block(const AttentionForward<T>& work, SeenKeys<cut> seen, std::int64_t packed, std::int64_t count,
                Softmax* softmax, const Buffers& buffers) {
  const std::int64_t stride = padded(work.head_dim);
  const float cap = work.scores.soft_cap;
  for (std::int64_t i = 0; i < count; ++i) {
    const Range keys = seen(i);
    if (keys.begin == keys.end) continue;
    float* scores = buffers.scores + i * key_block;
    if (cap > 0.0F) cap_scores(keys, cap, scores);
    take_scores(keys, scores, softmax[i], stride, buffers.output + i * stride);
  }
  multiply<true>(count, work.head_dim, seen, {buffers.scores, key_block, 1},
                 {buffers.values + packed * stride, stride}, {buffers.output, stride});
}

/// Queries first .. first + count of query head `head` of the sequence whose first query is row `begin`.
template <class T>
void forward_block(const AttentionForward<T>& work, const KeySequence& sequence, std::int64_t head,
                   std::int64_t begin, std::int64_t first, std::int64_t count, const Buffers& buffers) {
  const std::int64_t stride = padded(work.head_dim);
  const std::int64_t column = head * work.head_dim;
  pack_rows<T>(count, work.head_dim, {work.q[begin + first] + column, work.q.stride}, work.scores.scale,
               buffers.queries);
  Softmax softmax[query_block];
  for (std::int64_t i = 0; i < count; ++i) softmax[i] = {-__builtin_inff(), Floats{}};
  for (std::int64_t i = 0; i < count * stride; ++i) buffers.output[i] = 0.0F;

  const std::int64_t end = sequence.end(first, count);
  for (std::int64_t packed = sequence.begin(first); packed < end; packed += key_block) {
    const KeyBlock block = sequence.block(packed, first, count);
    multiply<false>(count, block.keys, [&](std::int64_t) { return Range{0, work.head_dim}; },
                    {buffers.queries, stride, 1}, {buffers.keys + packed * stride, key_block},
                    {buffers.scores, key_block});
    if (block.is_cut(count)) {
      take_block(work, SeenKeys<true>{block}, packed, count, softmax, buffers);
    } else {
      take_block(work, SeenKeys<false>{block}, packed, count, softmax, buffers);
    }
  }
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t row = begin + first + i;
    float* log_sum_exp = work.log_sum_exp.data == nullptr ? nullptr : work.log_sum_exp[row] + head;
    finish_query(work.head_dim, softmax[i], buffers.output + i * stride, work.out[row] + column, log_sum_exp);
  }
}

/// Queries [begin, begin + queries) of all query heads.
template <class T>
void forward_queries(const AttentionForward<T>& work, const KeySequence& sequence, std::int64_t begin,
                     std::int64_t queries, const Buffers& buffers) {
  for (std::int64_t head = 0; head < work.group; ++head) {
    for (std::int64_t first = 0; first < queries; first += query_block) {
      forward_block(work, sequence, head, begin, first, clamp(queries - first, 0, query_block), buffers);
    }
  }
}

template <class T>
void forward(const AttentionForward<T>& work, float* scratch) {
  const std::int64_t stride = padded(work.head_dim);
  const std::int64_t rows = attention_packed_keys(work.keys, work.continuations);
  float* keys = scratch;
  float* values = keys + rows * stride;
  float* queries = values + rows * stride;
  float* output = queries + query_block * stride;
  float* scores = output + query_block * stride;
  const Buffers buffers = {keys, values, queries, scores, output};
  const auto pack = [&](std::int64_t begin, std::int64_t count, std::int64_t to) {
    pack_rows<T>(count, work.head_dim, {work.k[begin], work.k.stride}, 1.0F, values + to * stride);
    transpose_blocks(count, work.head_dim, values + to * stride, keys + to * stride);
    pack_rows<T>(count, work.head_dim, {work.v[begin], work.v.stride}, 1.0F, values + to * stride);
  };
  pack(0, work.keys, 0);
  const std::int64_t window = work.scores.window;
  forward_queries(work, {0, work.keys - work.queries, window}, 0, work.queries, buffers);
  const KeySequence continuation = {work.keys, 0, window};
  for (std::int64_t i = 0; i < work.continuations.count; ++i) {
    const auto [begin, end] = work.continuations.sequences[i];
    pack(begin, end - begin, continuation.own_begin());
    forward_queries(work, continuation, begin, end - begin, buffers);
  }
}

}  // namespace

const AttentionKernels<float> attention_f32 = {forward<float>, attention_cached<float>};
const AttentionKernels<std::uint16_t> attention_bf16 = {forward<std::uint16_t>,
                                                        attention_cached<std::uint16_t>};

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
