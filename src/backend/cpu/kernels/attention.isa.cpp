#include "backend/cpu/kernels/attention.h"

#include "backend/cpu/kernels/attention_product.h"
#include "backend/cpu/kernels/soft_cap.h"

namespace cola::kernels::COLA_ISA_NAMESPACE {
namespace {

/// The running softmax of one query (Milakov and Gimelshein, 2018): weights so far are relative to `largest`.
struct Softmax {
  float largest;
  Floats total;  ///< of the weights, one partial sum a lane
};

[[gnu::always_inline]] inline Floats infinity() { return Floats{} + __builtin_inff(); }

/// scores = cap tanh(scores / cap) of the keys that are seen.
inline void cap_scores(Range seen, float cap, float* scores) {
  for (std::int64_t i = vector_begin(seen.begin); i < seen.end; i += lanes)
    store(soft_cap<true>(load(scores + i), cap).scores, scores + i);
}

/// Takes the scores of at least one more key into the softmax, turns them into weights, and rescales the
/// query's output so far.
[[gnu::always_inline]] inline void take_scores(Range seen, float* scores, Softmax& state, std::int64_t cols,
                                               float* output) {
  const std::int64_t first = vector_begin(seen.begin);
  const std::int64_t whole = round_up(seen.end, lanes);
  for (std::int64_t i = first; i < seen.begin; ++i) scores[i] = -__builtin_inff();
  for (std::int64_t i = seen.end; i < whole; ++i) scores[i] = -__builtin_inff();
  Floats most = -infinity();
  for (std::int64_t i = first; i < whole; i += lanes) {
    const Floats score = load(scores + i);
    most = score > most ? score : most;
  }
  const float block_largest = max_of(most);
  const float largest = block_largest > state.largest ? block_largest : state.largest;
  if (largest != state.largest) {
    const float shrink = exp_of(state.largest - largest);
    state.total *= shrink;
    for (std::int64_t i = 0; i < cols; i += lanes) store(load(output + i) * shrink, output + i);
    state.largest = largest;
  }
  for (std::int64_t i = first; i < whole; i += lanes) {
    const Floats weight = exp_of(load(scores + i) - largest);
    store(weight, scores + i);
    state.total += weight;
  }
}

/// Writes output / total and the log-sum-exp of one query.
template <class T>
void finish_query(std::int64_t head_dim, const Softmax& state, const float* output, T* out,
                  float* log_sum_exp) {
  const float total = sum_of(state.total);
  unpack_row(head_dim, output, 1.0F / total, out);
  if (log_sum_exp != nullptr) *log_sum_exp = state.largest + __builtin_logf(total);
}

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

/// Scores of `count` packed keys with one query: sums along the head, four keys at a time.
[[gnu::always_inline]] inline void score_keys(std::int64_t count, std::int64_t stride, const float* keys,
                                              const float* query, float* scores) {
  for (std::int64_t key = 0; key < count; key += 4) {
    const float* row = keys + key * stride;
    Floats sum[4] = {};
    for (std::int64_t i = 0; i < stride; i += lanes) {
      const Floats factor = load(query + i);
      for (int r = 0; r < 4; ++r) sum[r] += factor * load(row + r * stride + i);
    }
    for (int r = 0; r < 4; ++r) scores[key + r] = sum_of(sum[r]);
  }
}

/// output += weights x values, four values at a time.
[[gnu::always_inline]] inline void add_values(std::int64_t count, std::int64_t stride, const float* weights,
                                              const float* values, float* output) {
  std::int64_t key = 0;
  for (; key + 4 <= count; key += 4) {
    const float* row = values + key * stride;
    for (std::int64_t i = 0; i < stride; i += lanes) {
      Floats sum = load(output + i) + weights[key] * load(row + i);
      for (int r = 1; r < 4; ++r) sum += weights[key + r] * load(row + r * stride + i);
      store(sum, output + i);
    }
  }
  for (; key < count; ++key) {
    for (std::int64_t i = 0; i < stride; i += lanes) {
      store(load(output + i) + weights[key] * load(values + key * stride + i), output + i);
    }
  }
}

template <class T>
void cached(const AttentionForward<T>& work, float* scratch) {
  const std::int64_t stride = padded(work.head_dim);
  const std::int64_t count = work.queries * work.group;
  const auto& [scale, window, cap] = work.scores;
  float* keys = scratch;  // [key_block][padded]
  float* values = keys + key_block * stride;
  float* scores = values + key_block * stride;  // [key_block]
  float* totals = scores + key_block;           // [count][16]
  float* largest = totals + count * 16;         // [count]
  float* queries = largest + round_up(count, 16);
  float* output = queries + count * stride;
  for (std::int64_t n = 0; n < count; ++n) {
    const T* query = work.q[n / work.group] + n % work.group * work.head_dim;
    pack_rows<T>(1, work.head_dim, {query, 0}, scale, queries + n * stride);
    largest[n] = -__builtin_inff();
    store(Floats{}, totals + n * 16);
    for (std::int64_t i = 0; i < stride; ++i) output[n * stride + i] = 0.0F;
  }
  for (std::int64_t i = 0; i < key_block * stride; ++i) keys[i] = 0.0F;
  const std::int64_t before = work.keys - work.queries;
  const auto window_begin = [&](std::int64_t query) {
    return window == 0 || before + query < window ? 0 : before + query + 1 - window;
  };
  for (std::int64_t begin = window_begin(0); begin < work.keys; begin += key_block) {
    const std::int64_t block = clamp(work.keys - begin, 0, key_block);
    pack_rows<T>(block, work.head_dim, {work.k[begin], work.k.stride}, 1.0F, keys);
    pack_rows<T>(block, work.head_dim, {work.v[begin], work.v.stride}, 1.0F, values);
    for (std::int64_t n = 0; n < count; ++n) {
      const std::int64_t query = n / work.group;
      const std::int64_t first = clamp(window_begin(query) - begin, 0, block);
      const std::int64_t seen = clamp(before + query + 1 - begin, 0, block) - first;
      if (seen == 0) continue;
      score_keys(seen, stride, keys + first * stride, queries + n * stride, scores);
      if (cap > 0.0F) cap_scores({0, seen}, cap, scores);
      Softmax state = {largest[n], load(totals + n * 16)};
      take_scores({0, seen}, scores, state, stride, output + n * stride);
      add_values(seen, stride, scores, values + first * stride, output + n * stride);
      largest[n] = state.largest;
      store(state.total, totals + n * 16);
    }
  }
  for (std::int64_t n = 0; n < count; ++n) {
    const std::int64_t query = n / work.group;
    const std::int64_t head = n % work.group;
    float* log_sum_exp = work.log_sum_exp.data == nullptr ? nullptr : work.log_sum_exp[query] + head;
    finish_query(work.head_dim, {largest[n], load(totals + n * 16)}, output + n * stride,
                 work.out[query] + head * work.head_dim, log_sum_exp);
  }
}

}  // namespace

const AttentionKernels<float> attention_f32 = {forward<float>, cached<float>};
const AttentionKernels<std::uint16_t> attention_bf16 = {forward<std::uint16_t>, cached<std::uint16_t>};

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
