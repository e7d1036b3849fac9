#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>

#include "backend/cpu/dequantize.h"
#include "backend/cpu/gemm.h"
#include "backend/cpu/kernels/blocked_product.h"
#include "backend/cpu/kernels/convert.h"
#include "backend/cpu/operands.h"
#include "backend/cpu_isa.h"
#include "core/parallel.h"

namespace cola::ops {
namespace {

// A panel of the right operand [depth, tile_cols] stays in the first-level cache, a block of the left one
// [row_block, depth] in the second, a block of the right one [depth, col_block] in the third.
constexpr std::int64_t depth_block = 256;
constexpr std::int64_t row_block = 96;
constexpr std::int64_t col_block = 768;
constexpr std::int64_t sum_rows = 1024;    // rows of a bf16 result whose f32 sums are held at a time
constexpr std::int64_t written_rows = 64;  // rows that are rounded, then handed to the epilogue
static_assert(col_block % epilogue_cols == 0);

std::int64_t round_up(std::int64_t value, std::int64_t unit) { return (value + unit - 1) / unit * unit; }

struct Range {
  std::int64_t begin, end;
  [[nodiscard]] std::int64_t size() const { return end - begin; }
};

/// Slice `index` of `parts` of [0, count), in whole units but for the last.
Range slice(std::int64_t count, std::int64_t unit, std::int64_t parts, std::int64_t index) {
  const std::int64_t units = (count + unit - 1) / unit;
  return {std::min(count, units * index / parts * unit), std::min(count, units * (index + 1) / parts * unit)};
}

/// How the threads divide the result: each computes its own slices of rows and columns, from operands that it
/// packs itself.
struct Grid {
  std::int64_t row_parts = 1, col_parts = 1;
};

Grid choose_grid(std::int64_t rows, std::int64_t cols, const kernels::BlockedProductKernels& kernel) {
  constexpr std::int64_t packing = 16;  // packing an element takes about as long as so many multiply-adds
  const std::int64_t threads = thread_count();
  Grid best;
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (std::int64_t row_parts = 1; row_parts <= threads; ++row_parts) {
    const std::int64_t col_parts = threads / row_parts;
    const std::int64_t slice_rows = round_up((rows + row_parts - 1) / row_parts, kernel.tile_rows);
    const std::int64_t slice_cols = round_up((cols + col_parts - 1) / col_parts, kernel.tile_cols);
    const std::int64_t cost = slice_rows * slice_cols + packing * (slice_rows + slice_cols);
    if (cost >= least) continue;
    least = cost;
    best = {row_parts, col_parts};
  }
  return best;
}

/// Packs vectors `vectors` (rows of op(left), columns of op(right)) and terms `terms` of a product's operand;
/// `along` if a vector's terms are contiguous in memory.
void pack(const kernels::BlockedProductKernels& kernel, ConstMatrixView view, bool along, Range vectors,
          Range terms, std::int64_t width, float* panels, std::int64_t panel_size) {
  const std::int64_t offset =
      along ? vectors.begin * view.stride + terms.begin : terms.begin * view.stride + vectors.begin;
  if (view.dtype == DType::bf16) {
    const auto* source = static_cast<const std::uint16_t*>(view.data) + offset;
    (along ? kernel.pack_along_bf16 : kernel.pack_across_bf16)(vectors.size(), terms.size(), source,
                                                               view.stride, width, panels, panel_size);
  } else {
    const float* source = view.as<float>() + offset;
    (along ? kernel.pack_along_f32 : kernel.pack_across_f32)(vectors.size(), terms.size(), source,
                                                             view.stride, width, panels, panel_size);
  }
}

// Of a quantised right operand, whose blocks have up to so many values.
constexpr std::int64_t longest_block = 256;
constexpr std::int64_t rows_at_once = 8;  ///< terms whose values are expanded before they are packed
static_assert(depth_block % longest_block == 0);

/// What pack_quantized expands into, in values.
std::int64_t expanded_size(const kernels::BlockedProductKernels& kernel) {
  return std::max(kernel.tile_cols * depth_block, rows_at_once * (col_block + 2 * longest_block));
}

/// pack() of a quantised right operand, whose values are first expanded into `buffer`, a few vectors or terms
/// at a time, in the dtype of the left one.
void pack_quantized(const kernels::BlockedProductKernels& kernel, ConstMatrixView view, DType dtype,
                    bool along, Range vectors, Range terms, float* panels, float* buffer) {
  const std::int64_t width = kernel.tile_cols;
  const std::int64_t panel_size = terms.size() * width;
  if (along) {
    for (std::int64_t i = vectors.begin; i < vectors.end; i += width, panels += panel_size) {
      const Range some = {i, std::min(i + width, vectors.end)};
      const MatrixView values = {buffer, dtype, some.size(), terms.size(), terms.size()};
      dequantize_rows(view.row_range(some.begin, some.end).column_range(terms.begin, terms.end), values);
      pack(kernel, values, along, {0, some.size()}, {0, terms.size()}, width, panels, panel_size);
    }
    return;
  }
  const std::int64_t block = layout_of(view.dtype).values;
  const Range cols = {vectors.begin / block * block, round_up(vectors.end, block)};
  for (std::int64_t i = terms.begin; i < terms.end; i += rows_at_once) {
    const Range some = {i, std::min(i + rows_at_once, terms.end)};
    const MatrixView values = {buffer, dtype, some.size(), cols.size(), cols.size()};
    dequantize_rows(view.row_range(some.begin, some.end).column_range(cols.begin, cols.end), values);
    pack(kernel, values, along, {vectors.begin - cols.begin, vectors.end - cols.begin}, {0, some.size()},
         width, panels + (i - terms.begin) * width, panel_size);
  }
}

MatrixView block_of(MatrixView view, Range rows, Range cols) {
  auto* bytes = static_cast<std::byte*>(view.data);
  const std::int64_t offset = rows.begin * view.stride + cols.begin;
  return {bytes + offset * static_cast<std::int64_t>(size_of(view.dtype)), view.dtype, rows.size(),
          cols.size(), view.stride};
}

struct Product {
  const kernels::BlockedProductKernels& kernel;
  ConstMatrixView a, b;
  bool a_along, b_along;  ///< whether the terms of a row of op(a), of a column of op(b), are contiguous
  std::int64_t depth;
  std::span<const float> bias;
  MatrixView c;
  Write write;
  const BlockEpilogue& epilogue;
};

/// One thread's memory: packed blocks of both operands, sums of a bf16 result, values of a quantised operand.
struct Workspace {
  float* left = nullptr;
  float* right = nullptr;
  MatrixView sums;
  float* expanded = nullptr;
};

void pack_left(const Product& product, Range rows, Range terms, float* panels) {
  const std::int64_t width = product.kernel.tile_rows;
  pack(product.kernel, product.a, product.a_along, rows, terms, width, panels, terms.size() * width);
}

void pack_right(const Product& product, Range cols, Range terms, const Workspace& workspace) {
  const std::int64_t width = product.kernel.tile_cols;
  if (is_quantized(product.b.dtype)) {
    pack_quantized(product.kernel, product.b, product.a.dtype, product.b_along, cols, terms, workspace.right,
                   workspace.expanded);
  } else {
    pack(product.kernel, product.b, product.b_along, cols, terms, width, workspace.right,
         terms.size() * width);
  }
}

void add_bias(std::span<const float> bias, Range cols, MatrixView sums) {
  for (std::int64_t row = 0; row < sums.rows; ++row) {
    float* target = sums.as<float>() + row * sums.stride;
    for (std::int64_t col = 0; col < sums.cols; ++col)
      target[col] += bias[static_cast<std::size_t>(cols.begin + col)];
  }
}

/// sums (+)= op(a) op(b) of these rows and columns.
void multiply_block(const Product& product, Range rows, Range cols, MatrixView sums,
                    const Workspace& workspace) {
  const auto& kernel = product.kernel;
  for (std::int64_t k = 0; k < product.depth; k += depth_block) {
    const Range terms = {k, std::min(k + depth_block, product.depth)};
    pack_right(product, cols, terms, workspace);
    for (std::int64_t row = rows.begin; row < rows.end; row += row_block) {
      const Range part = {row, std::min(row + row_block, rows.end)};
      pack_left(product, part, terms, workspace.left);
      kernel.multiply(part.size(), cols.size(), terms.size(), workspace.left, workspace.right,
                      k > 0 || product.write == Write::add,
                      sums.as<float>() + (row - rows.begin) * sums.stride, sums.stride);
    }
  }
  if (!product.bias.empty()) add_bias(product.bias, cols, sums);
}

void multiply_slice(const Product& product, Range rows, Range cols, const Workspace& workspace) {
  const kernels::ConvertKernels& convert = kernels::convert_kernels();
  const bool direct = product.c.dtype == DType::f32;
  const std::int64_t step = direct ? std::max<std::int64_t>(rows.size(), 1) : sum_rows;
  for (std::int64_t row = rows.begin; row < rows.end; row += step) {
    const Range part_rows = {row, std::min(row + step, rows.end)};
    for (std::int64_t col = cols.begin; col < cols.end; col += col_block) {
      const Range part_cols = {col, std::min(col + col_block, cols.end)};
      const MatrixView target = block_of(product.c, part_rows, part_cols);
      const MatrixView sums =
          direct ? target : block_of(workspace.sums, {0, part_rows.size()}, {0, part_cols.size()});
      if (!direct && product.write == Write::add) {
        convert.bf16_to_f32(sums.rows, sums.cols, rows_of<std::uint16_t>(ConstMatrixView(target)),
                            rows_of<float>(sums));
      }
      multiply_block(product, part_rows, part_cols, sums, workspace);
      for (std::int64_t begin = 0; begin < sums.rows; begin += written_rows) {
        const std::int64_t end = std::min(begin + written_rows, sums.rows);
        if (!direct) {
          convert.f32_to_bf16(end - begin, sums.cols,
                              rows_of<float>(ConstMatrixView(sums.row_range(begin, end))),
                              rows_of<std::uint16_t>(target.row_range(begin, end)));
        }
        product.epilogue({row + begin, row + end, part_cols.begin, part_cols.end});
      }
    }
  }
}

}  // namespace

void multiply_blocked(Context& context, ConstMatrixView a, Transpose transpose_a, ConstMatrixView b,
                      Transpose transpose_b, std::span<const float> bias, MatrixView c, Write write,
                      const BlockEpilogue& epilogue) {
  const kernels::BlockedProductKernels& kernel = kernels::blocked_product_kernels(cpu_isa());
  const std::int64_t depth = transpose_a == Transpose::yes ? a.rows : a.cols;
  context.add_flops(2 * static_cast<std::uint64_t>(c.rows * c.cols) * static_cast<std::uint64_t>(depth));
  const Product product = {
      kernel, a,     b,       transpose_a == Transpose::no, transpose_b == Transpose::yes, depth, bias,
      c,      write, epilogue};
  const Grid grid = choose_grid(c.rows, c.cols, kernel);
  const std::int64_t parts = grid.row_parts * grid.col_parts;
  const std::int64_t col_unit =
      epilogue.empty() ? kernel.tile_cols : std::lcm(kernel.tile_cols, epilogue_cols);

  const std::int64_t block_depth = std::min(depth_block, depth);
  const std::int64_t left = round_up(std::min(row_block, c.rows), kernel.tile_rows) * block_depth;
  const std::int64_t right = round_up(std::min(col_block, c.cols), kernel.tile_cols) * block_depth;
  const std::int64_t sum_cols = c.dtype == DType::f32 ? 0 : std::min(col_block, c.cols);
  const std::int64_t sums =
      std::min(sum_rows, round_up(c.rows, grid.row_parts) / grid.row_parts + kernel.tile_rows);
  const std::int64_t expanded = is_quantized(b.dtype) ? expanded_size(kernel) : 0;
  const MatrixView scratch = context.scratch("multiply_blocked", DType::f32, parts,
                                             round_up(left + right + sums * sum_cols + expanded, 16));
  parallel_for(parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part) {
      float* memory = scratch.as<float>() + part * scratch.stride;
      const MatrixView sums_of_part = {memory + left + right, DType::f32, sums, sum_cols, sum_cols};
      const Workspace workspace = {memory, memory + left, sums_of_part,
                                   memory + left + right + sums * sum_cols};
      multiply_slice(product, slice(c.rows, kernel.tile_rows, grid.row_parts, part / grid.col_parts),
                     slice(c.cols, col_unit, grid.col_parts, part % grid.col_parts), workspace);
    }
  });
}

std::int64_t blocked_expansion_bytes() {
  return bytes_of(DType::f32, thread_count() * expanded_size(kernels::blocked_product_kernels(cpu_isa())));
}

}  // namespace cola::ops
