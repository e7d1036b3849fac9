#include <algorithm>
#include <cstdint>
#include <limits>

#include "backend/cpu/caches.h"
#include "backend/cpu/dequantize.h"
#include "backend/cpu/gemm.h"
#include "backend/cpu/kernels/blocked_product.h"
#include "backend/cpu/operands.h"
#include "backend/cpu/work_items.h"
#include "backend/cpu_isa.h"
#include "core/parallel.h"

namespace cola::ops {
namespace {

using kernels::blocked_words;
using kernels::BlockedProductKernels;

// Packed, a block of the right operand [depth, cols], at most 768 KB, stays in the second-level cache.
constexpr std::int64_t panels_at_once = 16;
constexpr std::int64_t most_tile_rows = 8, most_tile_cols = 48;
constexpr std::int64_t epilogue_unit = 192;  // of columns that an epilogue gets: a multiple of every tile's
static_assert(epilogue_unit % epilogue_cols == 0 && epilogue_unit % most_tile_cols == 0);
// Values of a quantised operand's blocks: parts of the terms are whole blocks, whatever the operand's dtype,
// since a result's bits depend on the parts.
constexpr std::int64_t longest_block = 256, short_block = 32;

constexpr std::int64_t round_up(std::int64_t value, std::int64_t unit) { return pieces(value, unit) * unit; }

struct Range {
  std::int64_t begin, end;
  [[nodiscard]] std::int64_t size() const { return end - begin; }
  [[nodiscard]] Range after(std::int64_t offset) const { return {begin + offset, end + offset}; }
};

/// [0, count) in as few parts of up to `most` as there can be, about equally long, in whole units.
struct Parts {
  std::int64_t count, size;
  Parts(std::int64_t length, std::int64_t unit, std::int64_t most)
      : count(length),
        size(std::max(round_up(pieces(length, std::max<std::int64_t>(pieces(length, most), 1)), unit),
                      unit)) {}
  [[nodiscard]] std::int64_t number() const { return pieces(count, size); }
  [[nodiscard]] Range operator[](std::int64_t index) const {
    return {index * size, std::min((index + 1) * size, count)};
  }
};

std::int64_t words_of(const BlockedProductKernels& kernel, std::int64_t terms) {
  return pieces(terms, kernel.terms_of_word);
}

struct Product {
  const BlockedProductKernels& kernel;
  ConstMatrixView a, b;
  bool a_along, b_along;  ///< whether the terms of a row of op(a), of a column of op(b), are contiguous
  std::span<const float> bias;
  MatrixView c;
  Write write;
  const BlockEpilogue& epilogue;
};

/// What is summed at a time.
struct Block {
  Range rows, cols, terms;
  bool first, last;  ///< of the terms
};

/// The element of vector `vector` (a row of op(left), a column of op(right)) and term `term`.
template <class T>
const T* element(ConstMatrixView view, bool along, std::int64_t vector, std::int64_t term) {
  return static_cast<const T*>(view.data) +
         (along ? vector * view.stride + term : term * view.stride + vector);
}

/// Calls body(T{}, packing of T) of a compute dtype.
template <class Body>
void with_packing(const BlockedProductKernels& kernel, DType dtype, const Body& body) {
  if (dtype == DType::bf16) return body(std::uint16_t{}, kernel.bf16);
  body(float{}, kernel.f32);
}

/// The words of some rows of op(a): in place, or packed in `memory`.
kernels::Rows<const float> left_words(const Product& product, Range rows, Range terms, float* memory) {
  const BlockedProductKernels& kernel = product.kernel;
  kernels::Rows<const float> left = {memory, blocked_words};
  with_packing(kernel, product.a.dtype, [&]<class T>(T, const auto& packing) {
    const T* source = element<T>(product.a, product.a_along, rows.begin, terms.begin);
    const std::int64_t stride = product.a.stride, of_word = kernel.terms_of_word;
    const bool are_words = product.a_along && sizeof(T) * of_word == sizeof(float) &&
                           terms.size() % of_word == 0 && stride % of_word == 0 &&
                           reinterpret_cast<std::uintptr_t>(source) % alignof(float) == 0;
    if (are_words && rows.size() == kernel.tile_rows) {
      left = {reinterpret_cast<const float*>(source), stride / of_word};
      return;
    }
    const auto pack = product.a_along ? packing.left_along : packing.left_across;
    pack(rows.size(), terms.size(), source, stride, memory);
  });
  return left;
}

void pack_right(const BlockedProductKernels& kernel, ConstMatrixView b, bool along, Range cols, Range terms,
                float* panels, std::int64_t panel_size) {
  with_packing(kernel, b.dtype, [&]<class T>(T, const auto& packing) {
    const auto pack = along ? packing.right_along : packing.right_across;
    pack(cols.size(), terms.size(), element<T>(b, along, cols.begin, terms.begin), b.stride, panels,
         panel_size);
  });
}

constexpr std::int64_t terms_at_once = 8;  ///< of a quantised right operand, expanded where they lie across

/// Of a quantised right operand: first expanded, in the dtype of the left one.
void pack_expanded(const Product& product, Range cols, Range terms, float* panels, std::int64_t panel_size) {
  constexpr std::int64_t most = std::max(
      most_tile_cols * blocked_words, terms_at_once * (panels_at_once * most_tile_cols + 2 * longest_block));
  alignas(64) float buffer[most];
  const bool along = product.b_along;
  const std::int64_t block = layout_of(product.b.dtype).values;
  const Range in_row = along ? terms : Range{cols.begin / block * block, round_up(cols.end, block)};
  const Range rows = along ? cols : terms;
  const MatrixView values = {buffer, product.a.dtype, rows.size(), in_row.size(), in_row.size()};
  dequantize_rows(product.b.row_range(rows.begin, rows.end).column_range(in_row.begin, in_row.end), values);
  const std::int64_t skipped = along ? 0 : cols.begin - in_row.begin;
  pack_right(product.kernel, values, along, {skipped, skipped + cols.size()}, {0, terms.size()}, panels,
             panel_size);
}

void pack_right(const Product& product, const Block& block, float* panels) {
  const std::int64_t width = product.kernel.tile_cols;
  const std::int64_t panel_size = words_of(product.kernel, block.terms.size()) * width;
  if (!is_quantized(product.b.dtype)) {
    return pack_right(product.kernel, product.b, product.b_along, block.cols, block.terms, panels,
                      panel_size);
  }
  if (product.b_along) {
    const Parts cols(block.cols.size(), width, width);
    for (std::int64_t i = 0; i < cols.number(); ++i) {
      pack_expanded(product, cols[i].after(block.cols.begin), block.terms, panels + i * panel_size,
                    panel_size);
    }
  } else {
    const Parts terms(block.terms.size(), terms_at_once, terms_at_once);
    for (std::int64_t i = 0; i < terms.number(); ++i) {
      pack_expanded(product, block.cols, terms[i].after(block.terms.begin),
                    panels + words_of(product.kernel, terms[i].begin) * width, panel_size);
    }
  }
}

/// A thread's memory: the packed right operand of a block, and the sums of a bf16 result.
struct Workspace {
  float* right = nullptr;
  MatrixView sums;
};

/// The sums of a tile's rows, packed.
void multiply_rows(const Product& product, const Block& block, Range rows, kernels::Rows<const float> left,
                   const Workspace& workspace) {
  const bool add = product.write == Write::add;
  const bool direct = product.c.dtype == DType::f32;
  const MatrixView c =
      product.c.row_range(rows.begin, rows.end).column_range(block.cols.begin, block.cols.end);
  const MatrixView sums =
      direct ? c : workspace.sums.row_range(rows.begin - block.rows.begin, rows.end - block.rows.begin);
  const auto run = [&]<class T>(T, auto multiply) {
    multiply(rows.size(), block.cols.size(), block.terms.size(), left, workspace.right,
             kernels::BlockedResult<T>{
                 rows_of<float>(sums), !block.first || (direct && add), block.last, rows_of<T>(c),
                 add && !direct, product.bias.empty() ? nullptr : product.bias.data() + block.cols.begin});
  };
  if (direct) {
    run(float{}, product.kernel.multiply_to_f32);
  } else {
    run(std::uint16_t{}, product.kernel.multiply_to_bf16);
  }
}

/// A rectangle of the result.
void multiply_part(const Product& product, const Parts& terms, Range rows, Range cols,
                   const Workspace& workspace) {
  alignas(64) float left[most_tile_rows * blocked_words];
  const Parts tiles(rows.size(), product.kernel.tile_rows, product.kernel.tile_rows);
  for (std::int64_t term = 0; term < terms.number(); ++term) {
    const Block block = {rows, cols, terms[term], term == 0, term + 1 == terms.number()};
    pack_right(product, block, workspace.right);
    for (std::int64_t tile = 0; tile < tiles.number(); ++tile) {
      const Range tile_rows = tiles[tile].after(rows.begin);
      multiply_rows(product, block, tile_rows, left_words(product, tile_rows, block.terms, left), workspace);
    }
  }
  product.epilogue({rows.begin, rows.end, cols.begin, cols.end});
}

/// The rectangles that threads take.
struct Grid {
  Parts rows, cols;
};

/// The one that takes least time: of the parts of the busiest thread, with the packing of both operands,
/// whose elements take as long as so many multiply-adds. A part's sums and a packed block are not much more
/// than the cache holds: what goes past it is asked for in time, but memory is slow for all of it. The more
/// parts, the less a late thread costs. Columns are cut in units of `col_unit`.
Grid choose_grid(std::int64_t rows, std::int64_t cols, std::int64_t col_unit,
                 const BlockedProductKernels& kernel) {
  constexpr double pack_right = 12.0, pack_left = 10.0, late = 0.03;
  constexpr std::int64_t least_rows = 64, most_rows = 1024;
  static const std::int64_t most_cached = second_level_cache() * 5 / 4 / std::int64_t{sizeof(float)};
  const std::int64_t most_cols = panels_at_once * kernel.tile_cols;
  const std::int64_t threads = thread_count();
  Grid best = {Parts(rows, kernel.tile_rows, most_rows), Parts(cols, col_unit, most_cols)};
  double least = std::numeric_limits<double>::max();
  for (std::int64_t col_parts = best.cols.number(); col_parts <= pieces(cols, col_unit); ++col_parts) {
    for (std::int64_t row_parts = pieces(rows, most_rows);
         row_parts <= std::max(4 * threads, rows / least_rows); ++row_parts) {
      const Grid grid = {Parts(rows, kernel.tile_rows, pieces(rows, row_parts)),
                         Parts(cols, col_unit, pieces(cols, col_parts))};
      const std::int64_t cached = (grid.rows.size + blocked_words) * grid.cols.size;
      if (grid.rows.size > least_rows && cached > most_cached) continue;
      const std::int64_t parts_of_one = pieces(grid.rows.number() * grid.cols.number(), threads);
      const auto height = static_cast<double>(grid.rows.size), width = static_cast<double>(grid.cols.size);
      const double time = (height * width + pack_right * width + pack_left * height) *
                          (static_cast<double>(parts_of_one) + late);
      if (time >= least) continue;
      least = time;
      best = grid;
    }
    if (col_parts >= 64 * threads) break;
  }
  return best;
}

}  // namespace

void multiply_blocked(Context& context, ConstMatrixView a, Transpose transpose_a, ConstMatrixView b,
                      Transpose transpose_b, std::span<const float> bias, MatrixView c, Write write,
                      const BlockEpilogue& epilogue) {
  if (c.empty()) return;
  const bool both_bf16 = a.dtype == DType::bf16 && (b.dtype == DType::bf16 || is_quantized(b.dtype));
  const BlockedProductKernels& kernel = kernels::blocked_product_kernels(cpu_isa(), both_bf16);
  const std::int64_t depth = transpose_a == Transpose::yes ? a.rows : a.cols;
  context.add_flops(2 * static_cast<std::uint64_t>(c.rows * c.cols) * static_cast<std::uint64_t>(depth));
  const Product product = {
      kernel, a, b, transpose_a == Transpose::no, transpose_b == Transpose::yes, bias, c, write, epilogue};

  const bool direct = c.dtype == DType::f32;
  const Parts terms(depth, depth % longest_block == 0 ? longest_block : short_block,
                    blocked_words * kernel.terms_of_word);
  const std::int64_t col_unit = epilogue.empty() ? kernel.tile_cols : epilogue_unit;
  const Grid grid = choose_grid(c.rows, c.cols, col_unit, kernel);
  const std::int64_t sum_cols = direct || terms.number() == 1 ? 0 : grid.cols.size;
  const std::int64_t right = words_of(kernel, terms.size) * round_up(grid.cols.size, kernel.tile_cols);
  const std::int64_t parts = grid.rows.number() * grid.cols.number();
  for_each_item(context, "multiply_blocked", parts, std::min<std::int64_t>(parts, thread_count()),
                right + grid.rows.size * sum_cols, [&](std::int64_t part, float* memory) {
                  const Range rows = grid.rows[part % grid.rows.number()];
                  const MatrixView sums = {memory + right, DType::f32, rows.size(), sum_cols, sum_cols};
                  multiply_part(product, terms, rows, grid.cols[part / grid.rows.number()], {memory, sums});
                });
}

}  // namespace cola::ops
