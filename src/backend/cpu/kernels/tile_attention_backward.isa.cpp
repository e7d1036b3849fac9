#include "backend/cpu/kernels/soft_cap.h"
#include "backend/cpu/kernels/tile_attention_blocks.h"

namespace cola::kernels::COLA_ISA_NAMESPACE {
namespace {

struct Buffers {
  Half* keys;             // [packed keys / key_block][steps][4][512]
  Half* values;           // as keys
  Half* transposed_keys;  // [packed keys / key_block][panels][2][4][512]
  float* dkeys;           // [packed keys / key_block][4][panels][64 x 16]: rows are keys, in tiles of 16
  float* dvalues;         // as dkeys
  Half* queries;          // [2][steps][512], of 16 queries each
  Half* doutput;          // as queries
  Half* paired_queries;   // [panels][4][512]: depth is queries
  Half* paired_doutput;   // as paired_queries
  float* scores;          // [key_block][16]
  float* dweights;        // as scores
  Half* weights;          // [4][512]: rows are keys, depth is queries
  Half* dscores;          // as weights
  Half* paired_dscores;   // [2][2][512], of 16 queries each: depth is keys
  float* dqueries;        // [2][panels][64][16], of 16 queries each
};

/// What is known of up to 32 queries; zero where there are fewer, whose gradients are zero then, too.
struct QueryRows {
  alignas(64) float log_sum_exp[query_block];
  alignas(64) float delta[query_block];
};

/// Weights and gradients of scores of 16 queries, `tile` of two, and a block of keys, from their scores and
/// their weights' gradients, to where the products that follow take them. `block`: as the first of the 16
/// queries sees it. `capped`: there is a soft cap.
template <bool cut, bool capped>
void softmax_backward(const QueryRows& rows, std::int64_t tile, const KeyBlock& block,
                      const AttentionScores& scoring, const Buffers& buffers) {
  const float scale = scoring.scale;
  Half* paired = buffers.paired_dscores + tile * key_steps * tile_elements;
  for (std::int64_t part = 0; part < lane_parts; ++part) {
    const Floats log_sum_exp = load(rows.log_sum_exp + tile * tile_rows + part * lanes);
    const Floats delta = load(rows.delta + tile * tile_rows + part * lanes);
    const auto take = [&](std::int64_t key, Floats& weight, Floats& dscore) __attribute__((always_inline)) {
      weight = dscore = Floats{};
      if (key < block.keys) {
        const std::int64_t at = key * tile_rows + part * lanes;
        const Integers seen = sees<cut>(key, block, part);
        const auto [scores, slopes] = soft_cap<capped>(load(buffers.scores + at) * scale, scoring.soft_cap);
        const Floats score = scores - log_sum_exp;
        weight = seen ? exp_of(seen ? score : Floats{}) : Floats{};
        dscore = seen ? weight * (load(buffers.dweights + at) - delta) * slopes : Floats{};
      }
      const std::int64_t place = key * tile_depth + tile * tile_rows + part * lanes;
      store_as(weight, buffers.weights + place);
      store_as(dscore, buffers.dscores + place);
    };
    for (std::int64_t key = 0; key < key_block; key += 2) {
      Floats weight, low, high;
      take(key, weight, low);
      take(key + 1, weight, high);
      const Words pair = rounded_pair(low, high);
      __builtin_memcpy(paired + key * tile_rows + part * lanes * 2, &pair, sizeof pair);
    }
  }
}

/// The contribution of up to 32 queries and the block of keys at packed row `packed` to everything. `add`: to
/// dq, else it is written.
void backward_keys(const AttentionBackward<Half>& work, const AttentionTiles& tiles, const HeadTiles& shape,
                   std::int64_t packed, const KeyBlock& block, const QueryRows& rows, bool add,
                   const Buffers& buffers) {
  const std::int64_t index = packed / key_block;
  const auto by_tokens = tiles.products.outputs_by_tokens;
  const auto by_outputs = tiles.products.tokens_by_outputs;
  const bool capped = work.scores.soft_cap > 0.0F;
  const auto take_block = block.is_cut(query_block)
                              ? capped ? softmax_backward<true, true> : softmax_backward<true, false>
                              : (capped ? softmax_backward<false, true> : softmax_backward<false, false>);
  for (std::int64_t tile = 0; tile < query_tiles; ++tile) {
    multiply_tiles_of(by_tokens, buffers.keys + index * shape.keys(), buffers.queries + tile * shape.stream(),
                      shape.steps, buffers.scores, false);
    multiply_tiles_of(by_tokens, buffers.values + index * shape.keys(),
                      buffers.doutput + tile * shape.stream(), shape.steps, buffers.dweights, false);
    take_block(rows, tile, block.from(tile * tile_rows), work.scores, buffers);
  }
  for (std::int64_t panel = 0; panel < shape.panels; ++panel) {
    for (std::int64_t tile = 0; tile * tile_rows < block.keys; ++tile) {
      const std::int64_t sums = ((index * key_tiles + tile) * shape.panels + panel) * micro_sums;
      multiply_tiles_of(by_outputs, buffers.paired_doutput + panel * panel_step_elements,
                        buffers.weights + tile * tile_elements, 1, buffers.dvalues + sums, true);
      multiply_tiles_of(by_outputs, buffers.paired_queries + panel * panel_step_elements,
                        buffers.dscores + tile * tile_elements, 1, buffers.dkeys + sums, true);
    }
    for (std::int64_t tile = 0; tile < query_tiles; ++tile) {
      multiply_tiles_of(
          by_tokens,
          buffers.transposed_keys + index * shape.transposed() + panel * key_steps * panel_step_elements,
          buffers.paired_dscores + tile * key_steps * tile_elements, key_steps,
          buffers.dqueries + (tile * shape.panels + panel) * micro_sums, add);
    }
  }
}

/// Up to 32 queries first, first + 1, ... of query head `head`; dq is written. The sequence's first query is
/// row `begin`.
void backward_block(const AttentionBackward<Half>& work, const AttentionTiles& tiles,
                    const KeySequence& sequence, std::int64_t head, std::int64_t begin, std::int64_t first,
                    std::int64_t count, const Buffers& buffers) {
  const std::int64_t head_dim = work.head_dim;
  const HeadTiles shape = head_tiles(head_dim);
  const std::int64_t column = head * head_dim;
  const std::int64_t row = begin + first;
  const Rows<const Half> q = {work.q[row] + column, work.q.stride};
  const Rows<const Half> dout = {work.dout[row] + column, work.dout.stride};
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
  pair_queries(count, head_dim, shape, tiles.operands, q, buffers.paired_queries);
  pair_queries(count, head_dim, shape, tiles.operands, dout, buffers.paired_doutput);
  QueryRows rows = {};
  for (std::int64_t i = 0; i < count; ++i) {
    rows.log_sum_exp[i] = work.log_sum_exp[row + i][head];
    rows.delta[i] =
        sum_over(head_dim, [](auto a, auto b) { return a * b; }, dout[i], work.out[row + i] + column);
  }
  const std::int64_t first_packed = sequence.begin(first);
  const std::int64_t end = sequence.end(first, count);
  for (std::int64_t packed = first_packed; packed < end; packed += key_block) {
    backward_keys(work, tiles, shape, packed, sequence.block(packed, first, count), rows,
                  packed > first_packed, buffers);
  }
  alignas(64) float scale[tile_rows];
  for (float& factor : scale) factor = work.scores.scale;
  for (std::int64_t tile = 0; tile < query_tiles && queries_of(tile) > 0; ++tile) {
    write_transposed_head(queries_of(tile), head_dim, shape, tiles.operands,
                          buffers.dqueries + tile * shape.sums(), scale,
                          {work.dq[row + tile * tile_rows] + column, work.dq.stride});
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
                    buffers.transposed_keys + index * shape.transposed());
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
    for_each_part(queries, query_block, [&](std::int64_t first, std::int64_t count) {
      backward_block(work, tiles, sequence, head, begin, first, count, buffers);
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
  buffers.dkeys = parts.floats(blocks * key_tiles * shape.sums());
  buffers.dvalues = parts.floats(blocks * key_tiles * shape.sums());
  buffers.queries = parts.halves(query_tiles * shape.stream());
  buffers.doutput = parts.halves(query_tiles * shape.stream());
  buffers.paired_queries = parts.halves(shape.panels * panel_step_elements);
  buffers.paired_doutput = parts.halves(shape.panels * panel_step_elements);
  buffers.scores = parts.floats(micro_sums);
  buffers.dweights = parts.floats(micro_sums);
  buffers.weights = parts.halves(key_tiles * tile_elements);
  buffers.dscores = parts.halves(key_tiles * tile_elements);
  buffers.paired_dscores = parts.halves(query_tiles * key_steps * tile_elements);
  buffers.dqueries = parts.floats(query_tiles * shape.sums());

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
