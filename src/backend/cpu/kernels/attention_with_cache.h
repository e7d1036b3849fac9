#pragma once
#include <cstdint>

#include "backend/cpu/kernels/attention.h"
#include "backend/cpu/kernels/attention_softmax.h"

// Attention of a few queries with the cached keys and values before them, as in generation.
namespace cola::kernels::COLA_ISA_NAMESPACE {

/// Keys and values of a block of `count`, whose rows are whole vectors.
template <class T>
struct CachedBlock {
  std::int64_t count;
  Rows<const T> keys, values;

  [[nodiscard, gnu::always_inline]] CachedBlock from(std::int64_t first, std::int64_t seen) const {
    return {seen, {keys[first], keys.stride}, {values[first], values.stride}};
  }
};

/// Rows that lie apart, which a processor does not fetch on its own, all at once.
template <class T>
[[gnu::always_inline]] inline void prefetch_rows(std::int64_t count, std::int64_t cols, Rows<const T> rows) {
  constexpr std::int64_t line = 64 / sizeof(T);
  for (std::int64_t row = 0; row < count; ++row) {
    for (std::int64_t i = 0; i < cols; i += line) __builtin_prefetch(rows[row] + i);
  }
}

/// The queries of a key/value head against its cache, one row of `stride` floats each.
struct CachedQueries {
  std::int64_t stride;  ///< whole vectors
  float* queries;       // [count][stride]
  float* output;        // [count][stride]
  float* totals;        // [count][16]
  float* largest;       // [count]
  float* scores;        // [queries_at_once][key_block]

  [[nodiscard, gnu::always_inline]] CachedQueries from(std::int64_t query) const {
    return {stride, queries + query * stride, output + query * stride, totals + query * 16, largest + query,
            scores};
  }
};

/// Scores with some queries: sums along the head, four keys at a time.
template <int count, class T>
[[gnu::always_inline]] inline void score_keys(const CachedBlock<T>& block, const CachedQueries& of) {
  for (std::int64_t key = 0; key < block.count; key += 4) {
    const T* row[4];
    for (int r = 0; r < 4; ++r) row[r] = block.keys[clamp(key + r, 0, block.count - 1)];
    Floats sum[count][4] = {};
    for (std::int64_t i = 0; i < of.stride; i += lanes) {
      Floats term[4];
      for (int r = 0; r < 4; ++r) term[r] = load(row[r] + i);
      for (int q = 0; q < count; ++q) {
        const Floats factor = load(of.queries + q * of.stride + i);
        for (int r = 0; r < 4; ++r) sum[q][r] += factor * term[r];
      }
    }
    for (int q = 0; q < count; ++q) {
      const Quad sums = sums_of(sum[q]);
      __builtin_memcpy(of.scores + q * key_block + key, &sums, sizeof sums);
    }
  }
}

/// output += weights x values, `vectors` vectors from column `col` on.
template <int count, int vectors, class T>
[[gnu::always_inline]] inline void add_columns(const CachedBlock<T>& block, const CachedQueries& to,
                                               std::int64_t col) {
  Floats sum[count][vectors];
  for (int q = 0; q < count; ++q) {
    for (int v = 0; v < vectors; ++v) sum[q][v] = load(to.output + q * to.stride + col + v * lanes);
  }
  for (std::int64_t key = 0; key < block.count; ++key) {
    const T* row = block.values[key] + col;
    for (int v = 0; v < vectors; ++v) {
      const Floats value = load(row + v * lanes);
      for (int q = 0; q < count; ++q) sum[q][v] += to.scores[q * key_block + key] * value;
    }
  }
  for (int q = 0; q < count; ++q) {
    for (int v = 0; v < vectors; ++v) store(sum[q][v], to.output + q * to.stride + col + v * lanes);
  }
}

constexpr int queries_at_once = lanes == 16 ? cached_queries_at_once : 2;  ///< whose sums fit the registers

/// Takes a block of keys into the softmax and the output of `count` queries, which all see all of it.
template <int count, class T>
void take_cached(const CachedBlock<T>& block, const CachedQueries& of, float cap) {
  score_keys<count>(block, of);
  for (int q = 0; q < count; ++q) {
    float* scores = of.scores + q * key_block;
    if (cap > 0.0F) cap_scores({0, block.count}, cap, scores);
    Softmax state = {of.largest[q], load(of.totals + q * 16)};
    take_scores({0, block.count}, scores, state, of.stride, of.output + q * of.stride);
    of.largest[q] = state.largest;
    store(state.total, of.totals + q * 16);
  }
  std::int64_t col = 0;
  for (; col + 4 * lanes <= of.stride; col += 4 * lanes) add_columns<count, 4>(block, of, col);
  for (; col < of.stride; col += lanes) add_columns<count, 1>(block, of, col);
}

/// The same of any number of queries.
template <int at_once = queries_at_once, class T>
void take_cached(std::int64_t count, const CachedBlock<T>& block, CachedQueries of, float cap) {
  for (; count >= at_once; count -= at_once, of = of.from(at_once)) take_cached<at_once>(block, of, cap);
  if constexpr (at_once > 1) take_cached<at_once - 1>(count, block, of, cap);
}

template <class T>
void attention_cached(const AttentionForward<T>& work, float* scratch) {
  const std::int64_t stride = padded(work.head_dim);
  const std::int64_t count = work.queries * work.group;
  const std::int64_t window = work.scores.window;
  float* keys = scratch;  // [key_block][padded], of use where they are not read in place
  float* values = keys + key_block * stride;
  float* scores = values + key_block * stride;
  float* totals = scores + cached_queries_at_once * key_block;
  float* largest = totals + count * 16;
  float* queries = largest + round_up(count, 16);
  const CachedQueries all = {stride, queries, queries + count * stride, totals, largest, scores};
  for (std::int64_t n = 0; n < count; ++n) {
    const T* query = work.q[n / work.group] + n % work.group * work.head_dim;
    pack_rows<T>(1, work.head_dim, {query, 0}, work.scores.scale, queries + n * stride);
    largest[n] = -__builtin_inff();
    store(Floats{}, totals + n * 16);
    for (std::int64_t i = 0; i < stride; ++i) all.output[n * stride + i] = 0.0F;
  }
  // Widening a row for each few queries is faster than writing it wide, for so many.
  constexpr std::int64_t most_in_place = 2 * queries_at_once;
  const bool is_in_place = work.head_dim == stride && (sizeof(T) == sizeof(float) || count <= most_in_place);
  const std::int64_t before = work.keys - work.queries;
  const auto window_begin = [&](std::int64_t query) {
    return window == 0 || before + query < window ? 0 : before + query + 1 - window;
  };
  for (std::int64_t begin = window_begin(0); begin < work.keys; begin += key_block) {
    const std::int64_t length = clamp(work.keys - begin, 0, key_block);
    const auto take = [&](const auto& block) {
      for (std::int64_t query = 0; query < work.queries; ++query) {
        const std::int64_t first = clamp(window_begin(query) - begin, 0, length);
        const std::int64_t seen = clamp(before + query + 1 - begin, 0, length) - first;
        if (seen > 0)
          take_cached(work.group, block.from(first, seen), all.from(query * work.group),
                      work.scores.soft_cap);
      }
    };
    const CachedBlock<T> own = {length, {work.k[begin], work.k.stride}, {work.v[begin], work.v.stride}};
    if (is_in_place) {
      prefetch_rows(length, work.head_dim, own.keys);
      prefetch_rows(length, work.head_dim, own.values);
      take(own);
    } else {
      pack_rows<T>(length, work.head_dim, own.keys, 1.0F, keys);
      pack_rows<T>(length, work.head_dim, own.values, 1.0F, values);
      take(CachedBlock<float>{length, {keys, stride}, {values, stride}});
    }
  }
  for (std::int64_t n = 0; n < count; ++n) {
    const std::int64_t query = n / work.group;
    const std::int64_t head = n % work.group;
    float* log_sum_exp = work.log_sum_exp.data == nullptr ? nullptr : work.log_sum_exp[query] + head;
    finish_query(work.head_dim, {largest[n], load(totals + n * 16)}, all.output + n * stride,
                 work.out[query] + head * work.head_dim, log_sum_exp);
  }
}

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
