#include "backend/cpu/kernels/soft_cap.h"
#include "backend/cpu/kernels/tile_attention_blocks.h"

namespace cola::kernels::COLA_ISA_NAMESPACE {
namespace {

constexpr std::int64_t chunk_panel = chunk_steps * panel_step_elements;

struct Buffers {
  Half* keys;             // [packed keys / key_block][steps][4][512]
  Half* values;           // as keys
  Half* transposed_keys;  // [panels][packed keys / tile_depth][4][512]
  std::int64_t panel_stride;
  float* dkeys;          // [packed keys / 16][panels][64 x 16]: rows are keys, in tiles of 16
  float* dvalues;        // as dkeys
  Half* queries;         // [2][steps][512], of 16 queries each
  Half* doutput;         // as queries
  Half* paired_queries;  // [panels][chunk_steps][4][512]: depth is queries
  Half* paired_doutput;  // as paired_queries
  float* scores;         // [key_block][16]
  float* dweights;       // as scores
  Half* weights;         // [packed keys / 16][chunk_steps][512]: rows are keys, depth is queries
  Half* dscores;         // as weights
  Half* paired_dscores;  // [2][packed keys / tile_depth][512], of 16 queries each: depth is keys
  std::int64_t paired_stride;
  float* dqueries;  // [panels][64][16]
};

constexpr float log2_e = 1.4426950409F;

/// What is known of up to 32 queries; zero where there are fewer, whose gradients are zero then, too.
struct QueryRows {
  alignas(64) float log_sum_exp[query_block];  // times log2 e
  alignas(64) float delta[query_block];
};

/// Where a product of a block of 64 keys and 16 queries goes.
struct ScorePlace {
  Half* weights;  // row by row: from a tile of 16 keys to the next, chunk_steps tiles
  Half* dscores;
  Half* paired;  // [2][512]
};

/// Weights and gradients of scores of 16 queries, `tile` of two, and a block of keys, from their scores and
/// their weights' gradients, to where the products that follow take them. `block`: as the first of the 16
/// queries sees it. `capped`: there is a soft cap.
template <bool masked, bool cut, bool capped>
void softmax_backward(const QueryRows& rows, std::int64_t tile, const KeyBlock& block,
                      const AttentionScores& scoring, const Buffers& buffers, const ScorePlace& place) {
  const float factor = capped ? log2_e : scoring.scale * log2_e;
  for (std::int64_t part = 0; part < lane_parts; ++part) {
    const Floats log_sum_exp = load(rows.log_sum_exp + tile * tile_rows + part * lanes);
    const Floats delta = load(rows.delta + tile * tile_rows + part * lanes);
    const auto take = [&](std::int64_t key, Floats& dscore) __attribute__((always_inline)) {
      Floats weight = {};
      dscore = Floats{};
      if (!masked || key < block.keys) {
        const std::int64_t at = key * tile_rows + part * lanes;
        Floats score = load(buffers.scores + at);
        Floats slope = {};
        if constexpr (capped) {
          const auto [scores, slopes] = soft_cap<true>(score * scoring.scale, scoring.soft_cap);
          score = scores;
          slope = slopes;
        }
        weight = exp2_of(score * factor - log_sum_exp);
        if constexpr (masked) weight = sees<cut>(key, block, part) ? weight : Floats{};
        dscore = weight * (load(buffers.dweights + at) - delta);
        if constexpr (capped) dscore *= slope;
        if constexpr (masked) dscore = sees<cut>(key, block, part) ? dscore : Floats{};
      }
      const std::int64_t to = (key / tile_rows * chunk_steps * tile_rows + key % tile_rows) * tile_depth +
                              tile * tile_rows + part * lanes;
      store_as(weight, place.weights + to);
      store_as(dscore, place.dscores + to);
    };
    for (std::int64_t key = 0; key < key_block; key += 2) {
      Floats low, high;
      take(key, low);
      take(key + 1, high);
      const Words pair = rounded_pair(low, high);
      __builtin_memcpy(place.paired + key * tile_rows + part * lanes * 2, &pair, sizeof pair);
    }
  }
}

using SoftmaxBackward = void (*)(const QueryRows&, std::int64_t, const KeyBlock&, const AttentionScores&,
                                 const Buffers&, const ScorePlace&);
template <bool capped>
SoftmaxBackward softmax_backward_for(const KeyBlock& block) {
  if (block.is_seen_whole(query_block)) return softmax_backward<false, false, capped>;
  return block.is_cut(query_block) ? softmax_backward<true, true, capped>
                                   : softmax_backward<true, false, capped>;
}

/// Up to 32 queries first, first + 1, ... of query head `head`, number `step` of their chunk: weights and
/// their gradients, and dq, which is written. The sequence's first query is row `begin`.
void backward_step(const AttentionBackward<Half>& work, const AttentionTiles& tiles,
                   const KeySequence& sequence, std::int64_t head, std::int64_t begin, std::int64_t first,
                   std::int64_t count, std::int64_t step, const Buffers& buffers) {
  const std::int64_t head_dim = work.head_dim;
  const HeadTiles shape = head_tiles(head_dim);
  const std::int64_t column = head * head_dim;
  const std::int64_t row = begin + first;
  const Rows<const Half> q = {work.q[row] + column, work.q.stride};
  const Rows<const Half> dout = {work.dout[row] + column, work.dout.stride};
  const Rows<const Half> out = {work.out[row] + column, work.out.stride};
  fetch_rows(count, head_dim, {q[query_block], q.stride});
  fetch_rows(count, head_dim, {dout[query_block], dout.stride});
  fetch_rows(count, head_dim, {out[query_block], out.stride});
  fetch_rows(count, head_dim, {work.dq[row] + column, work.dq.stride});
  const auto queries_of = [count](std::int64_t tile) {
    const std::int64_t left = count - tile * tile_rows;
    return left < 0 ? 0 : left < tile_rows ? left : tile_rows;
  };
  for (std::int64_t tile = 0; tile < query_tiles; ++tile) {
    const std::int64_t at = tile * tile_rows;
    tiles.operands.pair_columns(queries_of(tile), head_dim, {q[at], q.stride},
                                buffers.queries + tile * shape.stream(), tile_elements);
    tiles.operands.pair_columns(queries_of(tile), head_dim, {dout[at], dout.stride},
                                buffers.doutput + tile * shape.stream(), tile_elements);
  }
  pair_queries(count, head_dim, shape, tiles.operands, q, buffers.paired_queries + step * panel_step_elements,
               chunk_panel);
  pair_queries(count, head_dim, shape, tiles.operands, dout,
               buffers.paired_doutput + step * panel_step_elements, chunk_panel);
  QueryRows rows = {};
  for (std::int64_t i = 0; i < count; ++i) {
    rows.log_sum_exp[i] = work.log_sum_exp[row + i][head] * log2_e;
    rows.delta[i] = sum_over(head_dim, [](auto a, auto b) { return a * b; }, dout[i], out[i]);
  }
  const std::int64_t first_packed = sequence.begin(first);
  const std::int64_t end = sequence.end(first, count);
  const auto by_tokens = tiles.products.outputs_by_tokens;
  for (std::int64_t packed = first_packed; packed < end; packed += key_block) {
    const KeyBlock block = sequence.block(packed, first, count);
    const auto take =
        work.scores.soft_cap > 0.0F ? softmax_backward_for<true>(block) : softmax_backward_for<false>(block);
    const std::int64_t panel = packed / key_block * shape.keys();
    const std::int64_t place = (packed / tile_rows * chunk_steps + step) * tile_elements;
    for (std::int64_t tile = 0; tile < query_tiles; ++tile) {
      multiply_tiles_of(by_tokens, buffers.keys + panel, buffers.queries + tile * shape.stream(), shape.steps,
                        buffers.scores, false);
      multiply_tiles_of(by_tokens, buffers.values + panel, buffers.doutput + tile * shape.stream(),
                        shape.steps, buffers.dweights, false);
      take(rows, tile, block.from(tile * tile_rows), work.scores, buffers,
           {buffers.weights + place, buffers.dscores + place,
            buffers.paired_dscores + tile * buffers.paired_stride +
                (packed - first_packed) / tile_depth * tile_elements});
    }
  }
  alignas(64) float scale[tile_rows];
  for (float& factor : scale) factor = work.scores.scale;
  for (std::int64_t tile = 0; tile < query_tiles && queries_of(tile) > 0; ++tile) {
    for (std::int64_t panel = 0; panel < shape.panels; ++panel) {
      multiply_tiles_of(by_tokens,
                        buffers.transposed_keys + panel * buffers.panel_stride +
                            first_packed / tile_depth * panel_step_elements,
                        buffers.paired_dscores + tile * buffers.paired_stride,
                        round_up(end - first_packed, tile_depth) / tile_depth,
                        buffers.dqueries + panel * micro_sums, false);
    }
    write_transposed_head(queries_of(tile), head_dim, shape, tiles.operands, buffers.dqueries, scale,
                          {work.dq[row + tile * tile_rows] + column, work.dq.stride});
  }
}

/// The contribution of a chunk of queries, first, first + 1, ..., to the gradients of keys and values.
void add_to_keys(const AttentionTiles& tiles, const HeadTiles& shape, const KeySequence& sequence,
                 std::int64_t first, std::int64_t count, const Buffers& buffers) {
  const auto by_outputs = tiles.products.tokens_by_outputs;
  const auto end_of = [&](std::int64_t step) {
    const std::int64_t left = count - step * query_block;
    return sequence.end(first + step * query_block, left < query_block ? left : query_block);
  };
  const std::int64_t steps = round_up(count, query_block) / query_block;
  for (std::int64_t packed = sequence.begin(first); packed < end_of(steps - 1); packed += key_block) {
    // The steps that look at the block: later ones do not begin, nor end, before it.
    std::int64_t step = 0;
    while (end_of(step) <= packed) ++step;
    std::int64_t last = steps;
    while (sequence.begin(first + (last - 1) * query_block) > packed) --last;
    for (std::int64_t key = packed; key < packed + key_block && key < end_of(last - 1); key += tile_rows) {
      const std::int64_t left = (key / tile_rows * chunk_steps + step) * tile_elements;
      for (std::int64_t panel = 0; panel < shape.panels; ++panel) {
        const std::int64_t sums = key / tile_rows * shape.sums() + panel * micro_sums;
        const std::int64_t right = panel * chunk_panel + step * panel_step_elements;
        multiply_tiles_of(by_outputs, buffers.paired_doutput + right, buffers.weights + left, last - step,
                          buffers.dvalues + sums, true);
        multiply_tiles_of(by_outputs, buffers.paired_queries + right, buffers.dscores + left, last - step,
                          buffers.dkeys + sums, true);
      }
    }
  }
}

/// Keys and values of rows [begin, begin + count), from packed row `to` on; their gradients start at 0.
void pack(const AttentionBackward<Half>& work, const AttentionTiles& tiles, std::int64_t begin,
          std::int64_t count, std::int64_t to, const Buffers& buffers) {
  const HeadTiles shape = head_tiles(work.head_dim);
  for_each_part(count, key_block, [&](std::int64_t first, std::int64_t keys) {
    const std::int64_t index = (to + first) / key_block;
    const std::int64_t row = begin + first;
    pack_keys_panel(keys, work.head_dim, {work.k[row], work.k.stride}, buffers.keys + index * shape.keys());
    pack_keys_panel(keys, work.head_dim, {work.v[row], work.v.stride}, buffers.values + index * shape.keys());
    transpose_panel(shape, tiles.operands, buffers.keys + index * shape.keys(),
                    buffers.transposed_keys + index * key_steps * panel_step_elements, buffers.panel_stride);
    fill_zero(key_tiles * shape.sums(), buffers.dkeys + index * key_tiles * shape.sums());
    fill_zero(key_tiles * shape.sums(), buffers.dvalues + index * key_tiles * shape.sums());
  });
}

/// Writes dk and dv of rows [begin, begin + count), packed from row `from` on.
void unpack(const AttentionBackward<Half>& work, const AttentionTiles& tiles, std::int64_t begin,
            std::int64_t count, std::int64_t from, const Buffers& buffers) {
  const HeadTiles shape = head_tiles(work.head_dim);
  for_each_part(count, tile_rows, [&](std::int64_t first, std::int64_t keys) {
    for_each_part(work.head_dim, block_rows, [&](std::int64_t col, std::int64_t cols) {
      const std::int64_t sums = (from + first) / tile_rows * shape.sums() + col / tile_rows * tile_sums;
      float* dkeys = buffers.dkeys + sums;
      for (std::int64_t i = 0; i < 2 * tile_sums; i += lanes)
        store(load(dkeys + i) * work.scores.scale, dkeys + i);
      tiles.operands.write_tokens_by_outputs_bf16(
          {dkeys, nullptr, {work.dk[begin + first] + col, work.dk.stride}, keys, cols, false, false});
      tiles.operands.write_tokens_by_outputs_bf16({buffers.dvalues + sums,
                                                   nullptr,
                                                   {work.dv[begin + first] + col, work.dv.stride},
                                                   keys,
                                                   cols,
                                                   false,
                                                   false});
    });
  });
}

void backward_queries(const AttentionBackward<Half>& work, const AttentionTiles& tiles,
                      const KeySequence& sequence, std::int64_t begin, std::int64_t queries,
                      const Buffers& buffers) {
  for (std::int64_t head = 0; head < work.group; ++head) {
    for_each_part(queries, chunk_queries, [&](std::int64_t first, std::int64_t count) {
      for_each_part(count, query_block, [&](std::int64_t at, std::int64_t rows) {
        backward_step(work, tiles, sequence, head, begin, first + at, rows, at / query_block, buffers);
      });
      add_to_keys(tiles, head_tiles(work.head_dim), sequence, first, count, buffers);
    });
  }
}

void backward(const AttentionBackward<Half>& work, const AttentionTiles& tiles, float* scratch) {
  const HeadTiles shape = head_tiles(work.head_dim);
  const std::int64_t blocks = attention_packed_keys(work.length, work.continuations) / key_block;
  ScratchParts parts(scratch);
  Buffers buffers = {};
  buffers.keys = parts.halves(blocks * shape.keys());
  buffers.values = parts.halves(blocks * shape.keys());
  buffers.transposed_keys = parts.halves(blocks * shape.transposed());
  buffers.panel_stride = blocks * key_steps * panel_step_elements;
  buffers.dkeys = parts.floats(blocks * key_tiles * shape.sums());
  buffers.dvalues = parts.floats(blocks * key_tiles * shape.sums());
  buffers.queries = parts.halves(query_tiles * shape.stream());
  buffers.doutput = parts.halves(query_tiles * shape.stream());
  buffers.paired_queries = parts.halves(shape.panels * chunk_panel);
  buffers.paired_doutput = parts.halves(shape.panels * chunk_panel);
  buffers.scores = parts.floats(micro_sums);
  buffers.dweights = parts.floats(micro_sums);
  buffers.weights = parts.halves(blocks * key_tiles * chunk_steps * tile_elements);
  buffers.dscores = parts.halves(blocks * key_tiles * chunk_steps * tile_elements);
  buffers.paired_stride = blocks * key_steps * tile_elements;
  buffers.paired_dscores = parts.halves(query_tiles * buffers.paired_stride);
  buffers.dqueries = parts.floats(shape.sums());

  tiles.products.begin();
  pack(work, tiles, 0, work.length, 0, buffers);
  const std::int64_t window = work.scores.window;
  backward_queries(work, tiles, {0, 0, window}, 0, work.length, buffers);
  const KeySequence continuation = {work.length, 0, window};
  for (std::int64_t i = 0; i < work.continuations.count; ++i) {
    const auto [begin, end] = work.continuations.sequences[i];
    pack(work, tiles, begin, end - begin, continuation.own_begin(), buffers);
    backward_queries(work, tiles, continuation, begin, end - begin, buffers);
    unpack(work, tiles, begin, end - begin, continuation.own_begin(), buffers);
  }
  unpack(work, tiles, 0, work.length, 0, buffers);  // with what the continuations added
  tiles.products.end();
}

}  // namespace

const TileAttentionBackward tile_attention_backward = backward;

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
