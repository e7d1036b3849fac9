#include "backend/cpu/kernels/soft_cap.h"
#include "backend/cpu/kernels/tile_attention_blocks.h"

namespace cola::kernels::COLA_ISA_NAMESPACE {
namespace {

struct Buffers {
  Half* keys;        // [packed keys / key_block][steps][4][512]
  Half* transposed;  // values: [packed keys / key_block][panels][2][4][512]
  Half* values;      // one block's, before it is transposed
  Half* queries;     // [steps][512]
  Half* weights;     // [2][512]
  float* scores;     // [key_block][16]
  float* output;     // [panels][64][16]
};

/// The running softmax of 16 queries (Milakov and Gimelshein, 2018).
struct Softmax {
  Floats largest[lane_parts];
  Floats total[lane_parts];
};

/// scores = cap tanh(scale scores / cap) of `keys` keys.
inline void cap_scores(std::int64_t keys, float scale, float cap, float* scores) {
  for (std::int64_t i = 0; i < keys * tile_rows; i += lanes)
    store(soft_cap<true>(load(scores + i) * scale, cap).scores, scores + i);
}

/// Takes the scores of a block of keys into the softmax: their weights, relative to the largest score so far,
/// as pairs of keys, and what the output so far is to be multiplied by.
template <bool cut>
void take_scores(const KeyBlock& block, float scale, float* scores, Softmax& softmax, Half* weights,
                 float* shrink) {
  const std::int64_t keys = block.keys;
  const Floats hidden = Floats{} - __builtin_inff();
  for (std::int64_t part = 0; part < lane_parts; ++part) {
    const Floats before = softmax.largest[part];
    Floats largest = before;
    for (std::int64_t key = 0; key < keys; ++key) {
      float* score = scores + key * tile_rows + part * lanes;
      const Floats value = sees<cut>(key, block, part) ? load(score) * scale : hidden;
      store(value, score);
      largest = value > largest ? value : largest;
    }
    const Floats ratio = exp_of(before - largest);
    const Floats factor = cut ? (largest == hidden ? Floats{} : ratio) : ratio;  // hidden: no key so far
    Floats total = softmax.total[part] * factor;
    const auto weight_of = [&](std::int64_t key) __attribute__((always_inline)) {
      if (key >= keys) return Floats{};
      const Floats score = load(scores + key * tile_rows + part * lanes);
      // Not exp(-inf), which would be a denormal number. A NaN is not hidden.
      const Floats weight = exp_of(score == hidden ? Floats{} : score - largest);
      return score == hidden ? Floats{} : weight;
    };
    for (std::int64_t key = 0; key < key_block; key += 2) {
      const Floats low = weight_of(key);
      const Floats high = weight_of(key + 1);
      total += low + high;
      const Words pair = rounded_pair(low, high);
      __builtin_memcpy(weights + key * tile_rows + part * lanes * 2, &pair, sizeof pair);
    }
    softmax.largest[part] = largest;
    softmax.total[part] = total;
    store(factor, shrink + part * lanes);
  }
}

/// Up to 16 queries first, first + 1, ... of query head `head` of the sequence whose first query is row
/// `begin`.
void forward_tile(const AttentionForward<Half>& work, const AttentionTiles& tiles,
                  const KeySequence& sequence, std::int64_t head, std::int64_t begin, std::int64_t first,
                  std::int64_t count, const Buffers& buffers) {
  const HeadTiles shape = head_tiles(work.head_dim);
  const std::int64_t column = head * work.head_dim;
  const std::int64_t row = begin + first;
  tiles.operands.pair_columns(count, work.head_dim, {work.q[row] + column, work.q.stride}, buffers.queries,
                              tile_elements);
  Softmax softmax = {};
  for (std::int64_t part = 0; part < lane_parts; ++part) {
    softmax.largest[part] = Floats{} - __builtin_inff();
    softmax.total[part] = Floats{};
  }
  const auto product = tiles.products.outputs_by_tokens;
  const float scale = work.scores.scale;
  const float cap = work.scores.soft_cap;
  const std::int64_t first_packed = sequence.begin(first);
  const std::int64_t end = sequence.end(first, count);
  for (std::int64_t packed = first_packed; packed < end; packed += key_block) {
    const std::int64_t index = packed / key_block;
    const KeyBlock block = sequence.block(packed, first, count);
    multiply_tiles_of(product, buffers.keys + index * shape.keys(), buffers.queries, shape.steps,
                      buffers.scores, false);
    alignas(64) float shrink[tile_rows];
    if (cap > 0.0F) cap_scores(block.keys, scale, cap, buffers.scores);
    const auto take = block.is_cut(count) ? take_scores<true> : take_scores<false>;
    take(block, cap > 0.0F ? 1.0F : scale, buffers.scores, softmax, buffers.weights, shrink);
    for (std::int64_t i = 0; packed > first_packed && i < shape.sums(); i += lanes)
      store(load(buffers.output + i) * load(shrink + i % tile_rows), buffers.output + i);
    for (std::int64_t panel = 0; panel < shape.panels; ++panel) {
      multiply_tiles_of(
          product, buffers.transposed + index * shape.transposed() + panel * key_steps * panel_step_elements,
          buffers.weights, key_steps, buffers.output + panel * micro_sums, packed > first_packed);
    }
  }
  alignas(64) float total[tile_rows];
  alignas(64) float largest[tile_rows];
  alignas(64) float factor[tile_rows];
  for (std::int64_t part = 0; part < lane_parts; ++part) {
    store(softmax.total[part], total + part * lanes);
    store(softmax.largest[part], largest + part * lanes);
    store(1.0F / softmax.total[part], factor + part * lanes);
  }
  write_transposed_head(count, work.head_dim, shape, tiles.operands, buffers.output, factor,
                        {work.out[row] + column, work.out.stride});
  for (std::int64_t i = 0; work.log_sum_exp.data != nullptr && i < count; ++i)
    work.log_sum_exp[row + i][head] = largest[i] + __builtin_logf(total[i]);
}

/// Keys and values of rows [begin, begin + count), from packed row `to` on.
void pack(const AttentionForward<Half>& work, const AttentionTiles& tiles, std::int64_t begin,
          std::int64_t count, std::int64_t to, const Buffers& buffers) {
  const HeadTiles shape = head_tiles(work.head_dim);
  for_each_part(count, key_block, [&](std::int64_t first, std::int64_t keys) {
    const std::int64_t index = (to + first) / key_block;
    const std::int64_t row = begin + first;
    pack_keys_panel(keys, work.head_dim, {work.k[row], work.k.stride}, buffers.keys + index * shape.keys());
    pack_keys_panel(keys, work.head_dim, {work.v[row], work.v.stride}, buffers.values);
    transpose_panel(shape, tiles.operands, buffers.values, buffers.transposed + index * shape.transposed());
  });
}

void forward_queries(const AttentionForward<Half>& work, const AttentionTiles& tiles,
                     const KeySequence& sequence, std::int64_t begin, std::int64_t queries,
                     const Buffers& buffers) {
  for (std::int64_t head = 0; head < work.group; ++head) {
    for_each_part(queries, tile_rows, [&](std::int64_t first, std::int64_t count) {
      forward_tile(work, tiles, sequence, head, begin, first, count, buffers);
    });
  }
}

void forward(const AttentionForward<Half>& work, const AttentionTiles& tiles, float* scratch) {
  const HeadTiles shape = head_tiles(work.head_dim);
  const std::int64_t blocks = attention_packed_keys(work.keys, work.continuations) / key_block;
  ScratchParts parts(scratch);
  Buffers buffers = {};
  buffers.keys = parts.halves(blocks * shape.keys());
  buffers.transposed = parts.halves(blocks * shape.transposed());
  buffers.values = parts.halves(shape.keys());
  buffers.queries = parts.halves(shape.stream());
  buffers.weights = parts.halves(key_steps * tile_elements);
  buffers.scores = parts.floats(micro_sums);
  buffers.output = parts.floats(shape.sums());

  tiles.products.begin();
  pack(work, tiles, 0, work.keys, 0, buffers);
  const std::int64_t window = work.scores.window;
  forward_queries(work, tiles, {0, work.keys - work.queries, window}, 0, work.queries, buffers);
  const KeySequence continuation = {work.keys, 0, window};
  for (std::int64_t i = 0; i < work.continuations.count; ++i) {
    const auto [begin, end] = work.continuations.sequences[i];
    pack(work, tiles, begin, end - begin, continuation.own_begin(), buffers);
    forward_queries(work, tiles, continuation, begin, end - begin, buffers);
  }
  tiles.products.end();
}

}  // namespace

const TileAttentionForward tile_attention_forward = forward;

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
