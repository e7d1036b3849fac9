#include "backend/cpu/gemm_packed.h"

#include <xmmintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "backend/cpu/caches.h"
#include "backend/cpu/kernels/tile_layout.h"
#include "backend/cpu/operands.h"
#include "backend/cpu/work_items.h"
#include "backend/cpu_isa.h"
#include "core/parallel.h"

namespace cola::ops {
namespace {

using namespace kernels;  // NOLINT(google-build-using-namespace): the layout's constants, in this file alone

// Depth is summed in chunks (of steps 32 deep): a chunk of a panel, 2 KB a step, stays in the L1 cache of 48
// KB while all tokens of a block pass, whose activations stay in L2. What the numbers are worth:
// docs/decisions/0014-tile-products.md.
constexpr std::int64_t whole_steps = 18;  // one chunk, whose sums do not wait
constexpr std::int64_t most_steps = 16;
constexpr std::int64_t most_tokens = 512;

// Outputs whose sums wait for their next chunk: 4096, with 512 tokens 8 MB in L3.
constexpr std::int64_t most_panels = 128;

constexpr std::int64_t few_tokens = tile_rows;

struct Range {
  std::int64_t begin, end;

  [[nodiscard]] std::int64_t size() const { return end - begin; }
};

enum class Direction : std::uint8_t { forward, backward };

/// One product as all threads see it. Outputs are counted in panels of 32, depth in steps of 32.
struct Product {
  PackedView w;
  const PackedKernels& kernels;
  Direction direction;
  ConstMatrixView activations;
  std::span<const float> bias;
  MatrixView y;
  Write write;
  BlockEpilogue epilogue;

  [[nodiscard]] std::int64_t panels() const { return pieces(y.cols, block_rows); }
  [[nodiscard]] std::int64_t steps() const { return pieces(activations.cols, tile_depth); }
  [[nodiscard]] std::int64_t chunks() const {
    return steps() <= whole_steps ? 1 : pieces(steps(), most_steps);
  }
  [[nodiscard]] std::int64_t longest_chunk() const { return pieces(steps(), chunks()); }
  [[nodiscard]] std::int64_t first_step(std::int64_t chunk) const { return steps() * chunk / chunks(); }

  /// Whether results that nobody reads at once are too many for a core's cache: their lines need not be read
  /// before they are written. Of less depth, products would wait for memory to take them.
  [[nodiscard]] bool past_caches() const {
    constexpr std::int64_t least_steps = 64;
    return y.rows > few_tokens && write == Write::replace && epilogue.empty() && steps() >= least_steps &&
           bytes_of(y.dtype, y.rows * y.cols) > second_level_cache();
  }

  [[nodiscard]] const std::uint16_t* block(std::int64_t panel, std::int64_t step) const {
    return direction == Direction::forward ? w.block(panel, step) : w.block(step, panel);
  }
};

/// Writes 16 tokens of y, beginning with `token`, of a panel.
void write_tile(const Product& product, std::int64_t panel, std::int64_t token, const float* sums) {
  const MatrixView y = product.y;
  const std::int64_t output = panel * block_rows;
  const std::int64_t tokens = std::min(tile_rows, y.rows - token);
  if (tokens <= 0) return;
  const auto write_to = [&]<class T>(T, auto by_tokens, auto by_outputs) {
    const TileResult<T> result = {sums,
                                  product.bias.empty() ? nullptr : product.bias.data() + output,
                                  {static_cast<T*>(y.data) + token * y.stride + output, y.stride},
                                  tokens,
                                  std::min(block_rows, y.cols - output),
                                  product.write == Write::add,
                                  product.past_caches()};
    (product.direction == Direction::forward ? by_tokens : by_outputs)(result);
  };
  const TileOperandKernels& operands = product.kernels.operands;
  if (y.dtype == DType::bf16) {
    write_to(std::uint16_t{}, operands.write_outputs_by_tokens_bf16, operands.write_tokens_by_outputs_bf16);
  } else {
    write_to(float{}, operands.write_outputs_by_tokens_f32, operands.write_tokens_by_outputs_f32);
  }
}

/// A rectangle of outputs and tokens on one thread, with memory of its own.
class Rectangle {
 public:
  Rectangle(const Product& product, Range panels, Range tokens, float* memory)
      : product_(product), panels_(panels), tokens_(tokens), memory_(memory) {}

  /// Floats of memory for rectangles of at most that size.
  static std::int64_t memory(const Product& product, std::int64_t panels, std::int64_t tokens) {
    const std::int64_t pairs = pieces(tokens, pair_tokens);
    return 3 * pair_sums + product.longest_chunk() * (pairs + 2) * block_elements / 2 +
           (product.chunks() > 1 ? panels * pairs * pair_sums : 0);
  }

  void multiply() const {
    for (std::int64_t chunk = 0; chunk < product_.chunks(); ++chunk) {
      const Range steps = {product_.first_step(chunk), product_.first_step(chunk + 1)};
      const TileChunk work = chunk_of(steps);
      make_stream(steps);
      (product_.direction == Direction::forward ? product_.kernels.tiles.forward_chunk
                                                : product_.kernels.tiles.backward_chunk)(work);
    }
    if (product_.past_caches()) _mm_sfence();  // before other threads are told
    // Of whole rows: in blocks as small as a tile's it would wait for memory, line by line.
    product_.epilogue({tokens_.begin, tokens_.end, panels_.begin * block_rows,
                       std::min(panels_.end * block_rows, product_.y.cols)});
  }

 private:
  [[nodiscard]] std::int64_t pairs() const { return pieces(tokens_.size(), pair_tokens); }
  [[nodiscard]] std::uint16_t* stream() const {
    return reinterpret_cast<std::uint16_t*>(memory_ + 3 * pair_sums);
  }

  [[nodiscard]] TileChunk chunk_of(Range steps) const {
    const std::int64_t longest = product_.longest_chunk();
    std::uint16_t* paired = stream() + pairs() * longest * block_elements;
    auto* waiting = reinterpret_cast<float*>(paired + 2 * longest * block_elements);
    const std::int64_t beside = product_.w.block_cols() * block_elements;
    const bool forward = product_.direction == Direction::forward;
    return {.weight = product_.block(panels_.begin, steps.begin),
            .panel_stride = forward ? beside : block_elements,
            .step_stride = forward ? block_elements : beside,
            .panels = panels_.size(),
            .steps = steps.size(),
            .stream = stream(),
            .pairs = pairs(),
            .waiting = product_.chunks() > 1 ? waiting : nullptr,
            .add = steps.begin > 0,
            .finished = memory_,
            .results = steps.end == product_.steps() ? results() : TileResults{},
            .pair_rows = product_.kernels.operands.pair_rows,
            .paired = paired};
  }

  [[nodiscard]] TileResults results() const {
    const MatrixView y = product_.y;
    const std::int64_t element = bytes_of(y.dtype, 1);
    return {.of = this,
            .write =
                [](const void* of, std::int64_t panel, std::int64_t tile, const float* sums) {
                  const auto& self = *static_cast<const Rectangle*>(of);
                  write_tile(self.product_, self.panels_.begin + panel, self.tokens_.begin + tile * tile_rows,
                             sums);
                },
            .y = product_.past_caches()
                     ? nullptr
                     : static_cast<const std::byte*>(y.data) +
                           (tokens_.begin * y.stride + panels_.begin * block_rows) * element,
            .row_bytes = y.stride * element,
            .panel_bytes = block_rows * element,
            .tokens = tokens_.size()};
  }

  /// The chunk's activations as tiles.
  void make_stream(Range steps) const {
    const TileOperandKernels& operands = product_.kernels.operands;
    const auto pack =
        product_.direction == Direction::forward ? operands.pair_columns : operands.copy_columns;
    const std::int64_t col = steps.begin * tile_depth;
    const ConstMatrixView x =
        product_.activations.column_range(col, std::min(steps.end * tile_depth, product_.activations.cols));
    for (std::int64_t tile = 0; tile < 2 * pairs(); ++tile) {
      const std::int64_t token = tokens_.begin + tile * tile_rows;
      const std::int64_t tokens = std::clamp<std::int64_t>(tokens_.end - token, 0, tile_rows);
      const ConstMatrixView rows =
          x.row_range(std::min(token, tokens_.end), std::min(token, tokens_.end) + tokens);
      pack(tokens, x.cols, rows_of<std::uint16_t>(rows),
           stream() + (tile / 2 * steps.size() * 2 + tile % 2) * tile_elements, 2 * tile_elements);
    }
  }

  const Product& product_;
  Range panels_, tokens_;
  float* memory_;
};

/// How a product is cut into rectangles.
struct Cut {
  std::int64_t panels;  ///< of a rectangle
  std::int64_t tokens;
};

/// The one that takes the least time, as measured: beside its product a rectangle packs its activations,
/// which takes as long as some panels, and reads (backward: pairs) its weight, which takes as long as some
/// tokens. A thread that waits for another's last rectangle waits the longer the fewer there are.
Cut cut_of(const Product& product, std::int64_t threads) {
  constexpr std::int64_t whole = epilogue_cols / block_rows;
  const bool forward = product.direction == Direction::forward;
  const double packing = forward ? 6.0 : 4.0;
  const double reading = forward ? 40.0 : 60.0;
  const std::int64_t least_blocks = pieces(product.y.rows, most_tokens);
  const std::int64_t least_groups = product.chunks() > 1 ? pieces(product.panels(), most_panels) : 1;
  const std::int64_t most_groups = pieces(product.panels(), whole);
  Cut best = {};
  double least = std::numeric_limits<double>::infinity();
  for (std::int64_t blocks = least_blocks; blocks <= 8 * threads + least_blocks; blocks *= 2) {
    for (const std::int64_t items : {threads, 2 * threads, 3 * threads}) {
      const std::int64_t groups = std::clamp(pieces(items, blocks), least_groups, most_groups);
      const Cut cut = {pieces(pieces(product.panels(), groups), whole) * whole,
                       pieces(pieces(product.y.rows, blocks), pair_tokens) * pair_tokens};
      const std::int64_t count = pieces(product.panels(), cut.panels) * pieces(product.y.rows, cut.tokens);
      const auto panels = static_cast<double>(cut.panels);
      const auto tokens = static_cast<double>(cut.tokens);
      const double waiting = threads > 1 && count < 2 * threads ? 1.1 : 1.0;
      const double time =
          static_cast<double>(pieces(count, threads)) * (panels + packing) * (tokens + reading) * waiting;
      if (time < least) {
        least = time;
        best = cut;
      }
    }
  }
  return best;
}

/// Weights that meet a few tokens, the same of all, as in generation: limited by how fast they are read.
void multiply_few(Context& context, std::span<const Product> products) {
  const Product& first = products.front();
  const std::int64_t steps = first.steps();
  const MatrixView stream = context.scratch("multiply_packed stream", DType::bf16, steps, tile_elements);
  auto* tiles = static_cast<std::uint16_t*>(stream.data);
  first.kernels.operands.pair_columns(first.y.rows, first.activations.cols,
                                      rows_of<std::uint16_t>(first.activations), tiles, tile_elements);
  constexpr std::int64_t grain_bytes = 64 << 10;
  constexpr std::int64_t unit =
      epilogue_cols / block_rows;  // panels: a slice has whole blocks of an epilogue
  const std::int64_t grain = pieces(grain_bytes, unit * steps * block_elements * 2);
  std::int64_t units = 0;
  for (const Product& product : products) units += pieces(product.panels(), unit);
  parallel_for(units, grain, [&](std::int64_t begin, std::int64_t end) {
    first.kernels.tiles.begin();
    alignas(64) float sums[2 * tile_sums];
    std::int64_t before = 0;
    for (const Product& product : products) {
      const std::int64_t own = pieces(product.panels(), unit);
      const Range range = {std::clamp<std::int64_t>(begin - before, 0, own),
                           std::clamp<std::int64_t>(end - before, 0, own)};
      before += own;
      if (range.size() == 0) continue;
      for (std::int64_t panel = range.begin * unit; panel < std::min(range.end * unit, product.panels());
           ++panel) {
        product.kernels.tiles.few_tokens({product.block(panel, 0), tiles, steps, sums});
        write_tile(product, panel, 0, sums);
      }
      product.epilogue({0, product.y.rows, range.begin * epilogue_cols,
                        std::min(range.end * epilogue_cols, product.y.cols)});
    }
    first.kernels.tiles.end();
  });
}

bool is_few(const Product& product) {
  return product.direction == Direction::forward && product.y.rows <= few_tokens;
}

void multiply(Context& context, const Product& product) {
  if (is_few(product)) return multiply_few(context, {&product, 1});
  const std::int64_t threads = thread_count();
  const Cut cut = cut_of(product, threads);
  const std::int64_t blocks = pieces(product.y.rows, cut.tokens);
  const std::int64_t items = blocks * pieces(product.panels(), cut.panels);
  for_each_item(context, "multiply_packed", items, std::min(items, threads),
                Rectangle::memory(product, cut.panels, cut.tokens), [&](std::int64_t item, float* memory) {
                  const std::int64_t panel = item / blocks * cut.panels;
                  const std::int64_t token = item % blocks * cut.tokens;
                  product.kernels.tiles.begin();
                  Rectangle(product, {panel, std::min(panel + cut.panels, product.panels())},
                            {token, std::min(token + cut.tokens, product.y.rows)}, memory)
                      .multiply();
                  product.kernels.tiles.end();
                });
}

void count(Context& context, ConstMatrixView activations, ConstMatrixView y) {
  context.add_flops(2 * static_cast<std::uint64_t>(y.rows * y.cols) *
                    static_cast<std::uint64_t>(activations.cols));
}

}  // namespace

PackedKernels packed_kernels() { return {tile_kernels(), tile_operand_kernels(cpu_isa())}; }

void multiply_packed_forward(Context& context, ConstMatrixView x, const PackedMatrix& w,
                             std::span<const float> bias, MatrixView y, Write write,
                             const BlockEpilogue& epilogue, const PackedKernels& kernels) {
  if (y.empty()) return;
  count(context, x, y);
  multiply(context, {w.view(), kernels, Direction::forward, x, bias, y, write, epilogue});
}

void multiply_packed_together(Context& context, ConstMatrixView x, std::span<const PackedProduct> products,
                              const PackedKernels& kernels) {
  std::vector<Product> few;
  for (const auto& [w, bias, y, write] : products) {
    if (y.empty()) continue;
    count(context, x, y);
    const Product product = {w->view(), kernels, Direction::forward, x, bias, y, write, {}};
    if (is_few(product)) {
      few.push_back(product);
    } else {
      multiply(context, product);
    }
  }
  if (!few.empty()) multiply_few(context, few);
}

void multiply_packed_backward(Context& context, ConstMatrixView dy, const PackedMatrix& w, MatrixView dx,
                              Write write, const BlockEpilogue& epilogue, const PackedKernels& kernels) {
  if (dx.empty()) return;
  count(context, dy, dx);
  multiply(context, {w.view(), kernels, Direction::backward, dy, {}, dx, write, epilogue});
}

void multiply_packed(Context& context, ConstMatrixView activations, const WeightSide& side, Write write,
                     const PackedKernels& kernels) {
  if (side.c.empty()) return;
  count(context, activations, side.c);
  const ConstMatrixView largest = largest_slab(side.w, side.transpose);
  const MatrixView blocks =
      context.scratch("multiply_packed slab", DType::bf16, 1, packed_elements(largest.rows, largest.cols));
  const Direction direction = side.transpose == Transpose::yes ? Direction::forward : Direction::backward;
  for_each_slab(side, [&](const WeightSide& slab) {
    const PackedView w = pack(slab.w, static_cast<std::uint16_t*>(blocks.data));
    multiply(context, {w, kernels, direction, activations, slab.bias, slab.c, write, slab.epilogue});
  });
}

}  // namespace cola::ops
