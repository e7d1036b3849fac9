#include "backend/cpu/gemm_packed.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "backend/cpu/kernels/tile_layout.h"
#include "backend/cpu/operands.h"
#include "backend/cpu_isa.h"
#include "core/parallel.h"

namespace cola::ops {
namespace {

using namespace kernels;  // NOLINT(google-build-using-namespace): the layout's constants, in this file alone

// Depth is summed in chunks of up to 192. From a use of a panel's line to the next, the L1 cache (48 KB in 12
// ways) meets the panel's chunk (24 KB), the stream's (6 KB) and sums of two tiles (8 KB): 9.5 ways. At 256
// they would be all 12, and any other line would push the panel out to L2 (bench/tile_cache.py).
constexpr std::int64_t most_steps = 6;
constexpr std::int64_t panel_chunk = most_steps * panel_step_elements;

// Sums of 512 outputs x 512 tokens (1 MB) wait in an L2 cache of 2 MB for their next chunk, beside a chunk of
// the stream (256 KB). Where all depth of the stream fits, one panel at a time: the weight is then read in
// the order it lies in.
constexpr std::int64_t block_tiles = 32;
constexpr std::int64_t block_panels = 8;
constexpr std::int64_t stream_that_fits = std::int64_t{1} << 19;  // elements: 1 MB

static_assert(panel_outputs % epilogue_cols == 0);

constexpr std::int64_t pieces(std::int64_t count, std::int64_t size) { return (count + size - 1) / size; }

struct Range {
  std::int64_t begin, end;
};

/// The share `index` of `count` in [0, total).
Range share(std::int64_t total, std::int64_t index, std::int64_t count) {
  return {total * index / count, total * (index + 1) / count};
}

/// Threads side by side over outputs, and in turn over tokens.
struct Grid {
  std::int64_t outputs = 1, tokens = 1;
};

/// The one whose largest share is smallest; with equal shares, the one that reads the weight least often.
Grid grid_of(std::int64_t panels, std::int64_t tiles, std::int64_t threads) {
  const auto largest_share = [&](Grid grid) {
    return pieces(panels, grid.outputs) * pieces(tiles, grid.tokens);
  };
  Grid best;
  for (std::int64_t tokens = 1; tokens <= std::min(threads, tiles); ++tokens) {
    const Grid grid = {std::min(threads / tokens, panels), tokens};
    if (largest_share(grid) < largest_share(best)) best = grid;
  }
  return best;
}

enum class Direction : std::uint8_t { forward, backward };

/// One product as all threads see it. Tokens are counted in tiles of 16, outputs in panels of 64, depth in
/// steps of 32 and chunks of up to 6 steps; but the weights that a forward meets with a single tile, as in
/// generation, are used once and need no cache: one chunk, whose sums never leave their registers.
struct Product {
  PackedView w;
  const PackedKernels& kernels;
  Direction direction;
  std::span<const float> bias;
  MatrixView y;
  Write write;
  BlockEpilogue epilogue;
  std::int64_t steps;
  const std::uint16_t* stream = nullptr;  ///< [chunks][tiles][steps of the largest chunk][512]

  [[nodiscard]] std::int64_t tiles() const { return pieces(y.rows, tile_rows); }
  [[nodiscard]] std::int64_t panels() const { return pieces(y.cols, panel_outputs); }
  [[nodiscard]] std::int64_t chunks() const {
    return direction == Direction::forward && tiles() == 1 ? 1 : pieces(steps, most_steps);
  }
  [[nodiscard]] std::int64_t first_step(std::int64_t chunk) const { return steps * chunk / chunks(); }
  [[nodiscard]] std::int64_t steps_of(std::int64_t chunk) const {
    return first_step(chunk + 1) - first_step(chunk);
  }
  [[nodiscard]] std::int64_t stream_chunk() const { return pieces(steps, chunks()) * tile_elements; }
  /// The 32 rows of w that are the backward's depth `step`, of the block column `col`.
  [[nodiscard]] const std::uint16_t* rows_of(std::int64_t step, std::int64_t col) const {
    return w.block(step / 2, col) + step % 2 * (block_elements / 2);
  }
};

/// One thread's part: a rectangle of outputs and tokens, block by block.
class ThreadPart {
 public:
  ThreadPart(const Product& product, float* sums, std::uint16_t* panel)
      : product_(product), sums_(sums), panel_(panel) {}

  void multiply(Range panels, Range tiles) const {
    const bool fits =
        std::min(block_tiles, tiles.end - tiles.begin) * tile_rows * product_.steps * tile_depth <=
        stream_that_fits;
    const std::int64_t panels_at_a_time = fits ? 1 : block_panels;
    for (std::int64_t panel = panels.begin; panel < panels.end; panel += panels_at_a_time) {
      for (std::int64_t tile = tiles.begin; tile < tiles.end; tile += block_tiles) {
        multiply_block({panel, std::min(panel + panels_at_a_time, panels.end)},
                       {tile, std::min(tile + block_tiles, tiles.end)});
      }
    }
  }

 private:
  void multiply_block(Range panels, Range tiles) const {
    for (std::int64_t chunk = 0; chunk < product_.chunks(); ++chunk) {
      for (std::int64_t panel = panels.begin; panel < panels.end; ++panel) {
        float* sums = sums_ + (panel - panels.begin) * block_tiles * micro_sums;
        const bool last_panel = panel + 1 == panels.end;
        multiply_panel(panel, chunk, tiles, sums, last_panel ? panels.begin : panel + 1,
                       last_panel ? chunk + 1 : chunk);
      }
    }
  }

  /// A panel's chunk with every tile of the stream. In the last chunk a tile's sums are written out one tile
  /// later, so that the vector units do it while the tile multiplier is busy with the next.
  void multiply_panel(std::int64_t panel, std::int64_t chunk, Range tiles, float* sums,
                      std::int64_t next_panel, std::int64_t next_chunk) const {
    const std::uint16_t* operand = operand_of(panel, chunk);
    const auto run = product_.direction == Direction::forward ? product_.kernels.tiles.outputs_by_tokens
                                                              : product_.kernels.tiles.tokens_by_outputs;
    const bool last = chunk + 1 == product_.chunks();
    for (std::int64_t tile = tiles.begin; tile < tiles.end; ++tile) {
      const std::int64_t index = tile - tiles.begin;
      const std::uint16_t* stream =
          product_.stream + (chunk * product_.tiles() + tile) * product_.stream_chunk();
      const std::uint16_t* ahead = part_of(next_panel, next_chunk, index);
      run({operand, stream, product_.steps_of(chunk), sums + index * micro_sums, chunk > 0,
           reinterpret_cast<const std::byte*>(ahead != nullptr ? ahead : operand)});
      if (last && index > 0) write(panel, tile - 1, sums + (index - 1) * micro_sums);
    }
    if (last) write(panel, tiles.end - 1, sums + (tiles.end - 1 - tiles.begin) * micro_sums);
  }

  /// The forward's panel lies in w as it is needed; the backward's is made from it.
  [[nodiscard]] const std::uint16_t* operand_of(std::int64_t panel, std::int64_t chunk) const {
    if (product_.direction == Direction::forward) return product_.w.block(panel, product_.first_step(chunk));
    for (std::int64_t step = 0; step < product_.steps_of(chunk); ++step) {
      for (std::int64_t half = 0; half < 2; ++half) {
        std::uint16_t* tiles = panel_ + step * panel_step_elements + half * 2 * tile_elements;
        if (const std::int64_t col = 2 * panel + half; col < product_.w.block_cols()) {
          product_.kernels.operands.pair_rows(product_.rows_of(product_.first_step(chunk) + step, col),
                                              tiles);
        } else {
          std::fill_n(tiles, 2 * tile_elements, std::uint16_t{0});
        }
      }
    }
    return panel_;
  }

  /// The KB number `part` of what operand_of(panel, chunk) will read; null past its end.
  [[nodiscard]] const std::uint16_t* part_of(std::int64_t panel, std::int64_t chunk,
                                             std::int64_t part) const {
    if (chunk >= product_.chunks() || part >= product_.steps_of(chunk) * panel_tiles) return nullptr;
    const std::int64_t step = product_.first_step(chunk) + part / panel_tiles;
    const std::int64_t tile = part % panel_tiles;
    if (product_.direction == Direction::forward) return product_.w.block(panel, step) + tile * tile_elements;
    const std::int64_t col = 2 * panel + tile / 2;
    return col < product_.w.block_cols() ? product_.rows_of(step, col) + tile % 2 * tile_elements : nullptr;
  }

  void write(std::int64_t panel, std::int64_t tile, const float* sums) const {
    const std::int64_t output = panel * panel_outputs;
    const std::int64_t token = tile * tile_rows;
    const auto write_to = [&](auto element, auto by_tokens, auto by_outputs) {
      using T = decltype(element);
      const TileResult<T> result = {sums,
                                    product_.bias.empty() ? nullptr : product_.bias.data() + output,
                                    rows_of_result<T>(token, output),
                                    std::min(tile_rows, product_.y.rows - token),
                                    std::min(panel_outputs, product_.y.cols - output),
                                    product_.write == Write::add};
      (product_.direction == Direction::forward ? by_tokens : by_outputs)(result);
    };
    const TileOperandKernels& operands = product_.kernels.operands;
    if (product_.y.dtype == DType::bf16) {
      write_to(std::uint16_t{}, operands.write_outputs_by_tokens_bf16, operands.write_tokens_by_outputs_bf16);
    } else {
      write_to(float{}, operands.write_outputs_by_tokens_f32, operands.write_tokens_by_outputs_f32);
    }
    product_.epilogue({token, std::min(token + tile_rows, product_.y.rows), output,
                       std::min(output + panel_outputs, product_.y.cols)});
  }

  template <class T>
  [[nodiscard]] Rows<T> rows_of_result(std::int64_t token, std::int64_t output) const {
    return {static_cast<T*>(product_.y.data) + token * product_.y.stride + output, product_.y.stride};
  }

  const Product& product_;
  float* sums_;
  std::uint16_t* panel_;
};

/// The activations [T, depth] as a stream of tiles.
const std::uint16_t* make_stream(Context& context, const Product& product, ConstMatrixView activations) {
  const std::int64_t tiles = product.tiles();
  const MatrixView stream = context.scratch("multiply_packed stream", DType::bf16, product.chunks() * tiles,
                                            product.stream_chunk());
  auto* elements = static_cast<std::uint16_t*>(stream.data);
  const auto pack = product.direction == Direction::forward ? product.kernels.operands.pair_columns
                                                            : product.kernels.operands.copy_columns;
  parallel_for(stream.rows, 4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t index = begin; index < end; ++index) {
      const std::int64_t token = index % tiles * tile_rows;
      const std::int64_t chunk = index / tiles;
      const std::int64_t col = product.first_step(chunk) * tile_depth;
      const ConstMatrixView rows =
          activations.row_range(token, std::min(token + tile_rows, activations.rows));
      const Rows<const std::uint16_t> from = rows_of<std::uint16_t>(rows);
      pack(rows.rows, std::min(product.steps_of(chunk) * tile_depth, activations.cols - col),
           {from.data + col, from.stride}, elements + index * product.stream_chunk());
    }
  });
  return elements;
}

/// With the stream made.
void multiply(Context& context, const Product& product) {
  const Grid grid = grid_of(product.panels(), product.tiles(), thread_count());
  const std::int64_t parts = grid.outputs * grid.tokens;
  const std::int64_t sums = std::min(block_panels, product.panels()) * block_tiles * micro_sums;
  const MatrixView sum_buffers = context.scratch("multiply_packed sums", DType::f32, parts, sums);
  const MatrixView panel_buffers = context.scratch("multiply_packed panels", DType::bf16, parts, panel_chunk);
  parallel_for(parts, 1, [&](std::int64_t begin, std::int64_t end) {
    product.kernels.tiles.begin();
    for (std::int64_t part = begin; part < end; ++part) {
      const ThreadPart thread(product, sum_buffers.as<float>() + part * sums,
                              static_cast<std::uint16_t*>(panel_buffers.data) + part * panel_chunk);
      thread.multiply(share(product.panels(), part % grid.outputs, grid.outputs),
                      share(product.tiles(), part / grid.outputs, grid.tokens));
    }
    product.kernels.tiles.end();
  });
}

void count(Context& context, ConstMatrixView activations, ConstMatrixView y) {
  context.add_flops(2 * static_cast<std::uint64_t>(y.rows * y.cols) *
                    static_cast<std::uint64_t>(activations.cols));
}

void multiply(Context& context, Product product, ConstMatrixView activations) {
  count(context, activations, product.y);
  product.stream = make_stream(context, product, activations);
  multiply(context, product);
}

}  // namespace

PackedKernels packed_kernels() { return {tile_kernels(), tile_operand_kernels(cpu_isa())}; }

void multiply_packed_forward(Context& context, ConstMatrixView x, const PackedMatrix& w,
                             std::span<const float> bias, MatrixView y, Write write,
                             const BlockEpilogue& epilogue, const PackedKernels& kernels) {
  if (y.empty()) return;
  multiply(context,
           {w.view(), kernels, Direction::forward, bias, y, write, epilogue, pieces(w.cols(), tile_depth)},
           x);
}

void multiply_packed_backward(Context& context, ConstMatrixView dy, const PackedMatrix& w, MatrixView dx,
                              Write write, const BlockEpilogue& epilogue, const PackedKernels& kernels) {
  if (dx.empty()) return;
  multiply(context,
           {w.view(), kernels, Direction::backward, {}, dx, write, epilogue, pieces(w.rows(), tile_depth)},
           dy);
}

void multiply_packed(Context& context, ConstMatrixView activations, const WeightSide& side, Write write,
                     const PackedKernels& kernels) {
  if (side.c.empty()) return;
  count(context, activations, side.c);
  const ConstMatrixView largest = largest_slab(side.w, side.transpose);
  const MatrixView blocks =
      context.scratch("multiply_packed slab", DType::bf16, 1, packed_elements(largest.rows, largest.cols));
  Product product = {{},
                     kernels,
                     side.transpose == Transpose::yes ? Direction::forward : Direction::backward,
                     {},
                     side.c,
                     write,
                     {},
                     pieces(activations.cols, tile_depth)};
  product.stream = make_stream(context, product, activations);
  for_each_slab(side, [&](const WeightSide& slab) {
    product.w = pack(slab.w, static_cast<std::uint16_t*>(blocks.data));
    product.bias = slab.bias;
    product.y = slab.c;
    product.epilogue = slab.epilogue;
    multiply(context, product);
  });
}

}  // namespace cola::ops
