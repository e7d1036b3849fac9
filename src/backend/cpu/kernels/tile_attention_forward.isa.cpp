#include "backend/cpu/kernels/soft_cap.h"
#include "backend/cpu/kernels/tile_attention_blocks.h"

namespace cola::kernels::COLA_ISA_NAMESPACE {
namespace {

struct Buffers {
  Half* keys;        // [packed keys / key_block][steps][4][512]
  Half* transposed;  // values: [panels][packed keys / tile_depth][4][512]
  std::int64_t panel_stride;
  Half* values;   // one block's, before it is transposed
  Half* queries;  // [steps][512]
  Half* weights;  // [packed keys / tile_depth][512]
  float* scores;  // [packed keys][16]
  float* output;  // [panels][64][16]
};

constexpr float log2_e = 1.4426950409F;
constexpr float ln_2 = 0.6931471806F;

/// scores = cap tanh(scale scores / cap) of `keys` keys.
inline void cap_scores(std::int64_t keys, float scale, float cap, float* scores) {
  for (std::int64_t i = 0; i < keys * tile_rows; i += lanes)
    store(soft_cap<true>(load(scores + i) * scale, cap).scores, scores + i);
}

/// Takes a block's scores into the largest of each query; those that it does not see become -infinity.
template <bool masked, bool cut>
void take_largest(const KeyBlock& block, float* scores, Floats (&largest)[lane_parts]) {
  const Floats hidden = Floats{} - __builtin_inff();
  for (std::int64_t part = 0; part < lane_parts; ++part) {
    Floats most = largest[part];
    for (std::int64_t key = 0; key < (masked ? block.keys : key_block); ++key) {
      float* score = scores + key * tile_rows + part * lanes;
      Floats value = load(score);
      if constexpr (masked) {
        value = sees<cut>(key, block, part) ? value : hidden;
        store(value, score);
      }
      most = value > most ? value : most;
    }
    for (std::int64_t key = block.keys; masked && key < key_block; ++key)
      store(hidden, scores + key * tile_rows + part * lanes);
    largest[part] = most;
  }
}

/// The softmax of 16 queries over `keys` keys, an even number, as pairs of keys; their totals are what
/// weights are to be divided by. `factor`: of the scores, whose powers of two the weights are.
inline void take_weights(std::int64_t keys, float factor, const float* scores,
                         const Floats (&largest)[lane_parts], Half* weights, Floats (&totals)[lane_parts]) {
  for (std::int64_t part = 0; part < lane_parts; ++part) {
    const Floats offset = largest[part] * factor;
    Floats low_total = {};
    Floats high_total = {};
    for (std::int64_t key = 0; key < keys; key += 2) {
      const float* score = scores + key * tile_rows + part * lanes;
      const Floats low = exp2_of(load(score) * factor - offset);
      const Floats high = exp2_of(load(score + tile_rows) * factor - offset);
      low_total += low;
      high_total += high;
      const Words pair = rounded_pair(low, high);
      __builtin_memcpy(weights + key * tile_rows + part * lanes * 2, &pair, sizeof pair);
    }
    totals[part] = low_total + high_total;
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
  fetch_rows(count, work.head_dim, {work.q[row + tile_rows] + column, work.q.stride});
  fetch_rows(count, work.head_dim, {work.out[row] + column, work.out.stride});
  tiles.operands.pair_columns(count, work.head_dim, {work.q[row] + column, work.q.stride}, buffers.queries,
                              tile_elements);
  const auto product = tiles.products.outputs_by_tokens;
  const float cap = work.scores.soft_cap;
  const float factor = (cap > 0.0F ? 1.0F : work.scores.scale) * log2_e;
  const std::int64_t first_packed = sequence.begin(first);
  const std::int64_t end = sequence.end(first, count);
  Floats largest[lane_parts];
  for (Floats& most : largest) most = Floats{} - __builtin_inff();
  for (std::int64_t packed = first_packed; packed < end; packed += key_block) {
    const KeyBlock block = sequence.block(packed, first, count);
    float* scores = buffers.scores + (packed - first_packed) * tile_rows;
    multiply_tiles_of(product, buffers.keys + packed / key_block * shape.keys(), buffers.queries, shape.steps,
                      scores, false);
    if (cap > 0.0F) cap_scores(block.keys, work.scores.scale, cap, scores);
    const auto take = block.is_seen_whole(count) ? take_largest<false, false>
                      : block.is_cut(count)      ? take_largest<true, true>
                                                 : take_largest<true, false>;
    take(block, scores, largest);
  }
  const std::int64_t steps = round_up(end - first_packed, tile_depth) / tile_depth;
  Floats totals[lane_parts];
  take_weights(steps * tile_depth, factor, buffers.scores, largest, buffers.weights, totals);
  for (std::int64_t panel = 0; panel < shape.panels; ++panel) {
    multiply_tiles_of(
        product,
        buffers.transposed + panel * buffers.panel_stride + first_packed / tile_depth * panel_step_elements,
        buffers.weights, steps, buffers.output + panel * micro_sums, false);
  }
  alignas(64) float total[tile_rows];
  alignas(64) float offset[tile_rows];
  alignas(64) float share[tile_rows];
  for (std::int64_t part = 0; part < lane_parts; ++part) {
    store(totals[part], total + part * lanes);
    store(largest[part] * factor * ln_2, offset + part * lanes);
    store(1.0F / totals[part], share + part * lanes);
  }
  write_transposed_head(count, work.head_dim, shape, tiles.operands, buffers.output, share,
                        {work.out[row] + column, work.out.stride});
  for (std::int64_t i = 0; work.log_sum_exp.data != nullptr && i < count; ++i)
    work.log_sum_exp[row + i][head] = offset[i] + __builtin_logf(total[i]);
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
    transpose_panel(shape, tiles.operands, buffers.values,
                    buffers.transposed + index * key_steps * panel_step_elements, buffers.panel_stride);
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
  buffers.panel_stride = blocks * key_steps * panel_step_elements;
  buffers.values = parts.halves(shape.keys());
  buffers.queries = parts.halves(shape.stream());
  buffers.weights = parts.halves(blocks * key_steps * tile_elements);
  buffers.scores = parts.floats(blocks * key_block * tile_rows);
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
