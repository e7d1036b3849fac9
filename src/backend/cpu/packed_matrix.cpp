#include "backend/packed_matrix.h"

#include <algorithm>
#include <array>

#include "backend/checks.h"
#include "backend/cpu/dequantize.h"
#include "backend/cpu/kernels/bf16.h"
#include "backend/cpu/kernels/rows.h"
#include "backend/cpu/kernels/tile_layout.h"
#include "backend/cpu/operands.h"
#include "backend/cpu_isa.h"
#include "core/parallel.h"

namespace cola::ops {
namespace {

/// Columns [col, col + 4) of a row are neighbours in a block, too.
constexpr std::int64_t group = 4;
static_assert(kernels::place_in_row(3) == 3 && kernels::place_in_row(4) == 8 &&
              kernels::place_in_row(16) == 4);

void copy(const float* from, std::int64_t count, std::uint16_t* to) {
  for (std::int64_t i = 0; i < count; ++i) kernels::store_float(from[i], to + i);
}
void copy(const std::uint16_t* from, std::int64_t count, std::uint16_t* to) { std::copy_n(from, count, to); }

/// A block from up to 32 rows and 32 columns.
template <class T>
void pack_block(kernels::Rows<const T> rows, std::int64_t count, std::int64_t cols, std::uint16_t* block) {
  if (count < kernels::block_rows || cols < kernels::block_cols)
    std::fill_n(block, kernels::block_elements, std::uint16_t{0});
  for (std::int64_t row = 0; row < count; ++row) {
    const T* source = rows[row];
    std::uint16_t* target = block + row * kernels::block_cols;
    for (std::int64_t col = 0; col < cols; col += group)
      copy(source + col, std::min(group, cols - col), target + kernels::place_in_row(col));
  }
}

/// Blocks beside each other: those of up to 32 rows.
template <class T>
void pack_blocks(ConstMatrixView rows, std::uint16_t* blocks) {
  for (std::int64_t col = 0; col < rows.cols; col += kernels::block_cols, blocks += kernels::block_elements) {
    pack_block<T>({static_cast<const T*>(rows.data) + col, rows.stride}, rows.rows,
                  std::min(kernels::block_cols, rows.cols - col), blocks);
  }
}

// Columns that are packed at a time: of a quantised matrix whole blocks, whose values fit the first-level
// cache.
constexpr std::int64_t part_cols = 512;

/// Up to 32 rows and 512 columns.
void pack_part(ConstMatrixView part, std::uint16_t* blocks) {
  if (is_quantized(part.dtype)) {
    std::array<std::uint16_t, kernels::block_rows * part_cols> values;  // NOLINT: written before it is read
    const MatrixView expanded = {values.data(), DType::bf16, part.rows, part.cols, part.cols};
    dequantize_rows(part, expanded);
    pack_blocks<std::uint16_t>(expanded, blocks);
  } else if (part.dtype == DType::bf16) {
    pack_blocks<std::uint16_t>(part, blocks);
  } else {
    pack_blocks<float>(part, blocks);
  }
}

}  // namespace

std::int64_t packed_elements(std::int64_t rows, std::int64_t cols) {
  return pieces(rows, kernels::block_rows) * pieces(cols, kernels::block_cols) * kernels::block_elements;
}

PackedView pack(ConstMatrixView plain, std::uint16_t* blocks) {
  const PackedView view = {blocks, plain.rows, plain.cols};
  const std::int64_t down = pieces(plain.rows, kernels::block_rows);
  const std::int64_t beside = pieces(plain.cols, part_cols);
  parallel_for(down * beside, 2, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t index = begin; index < end; ++index) {
      const std::int64_t row = index / beside * kernels::block_rows;
      const std::int64_t col = index % beside * part_cols;
      const ConstMatrixView part = plain.row_range(row, std::min(row + kernels::block_rows, plain.rows))
                                       .column_range(col, std::min(col + part_cols, plain.cols));
      const std::int64_t block =
          index / beside * view.block_cols() + index % beside * (part_cols / kernels::block_cols);
      pack_part(part, blocks + block * kernels::block_elements);
    }
  });
  return view;
}

PackedMatrix::PackedMatrix(ConstMatrixView plain, Memory& memory) : rows_(plain.rows), cols_(plain.cols) {
  check(is_weight_dtype(plain.dtype), "PackedMatrix", "the weight must be f32, bf16 or quantised");
  blocks_.resize(memory, DType::bf16, packed_elements(rows_, cols_) / kernels::block_elements,
                 kernels::block_elements);
  (void)pack(plain, static_cast<std::uint16_t*>(blocks_.view().data));
}

void PackedMatrix::read_row(std::int64_t row, MatrixView destination) const {
  check_shape(destination, 1, cols_, "PackedMatrix", "a row");
  check(is_compute_dtype(destination.dtype), "PackedMatrix", "a row is read as f32 or bf16");
  for (std::int64_t col = 0; col < cols_; col += group) {
    const std::int64_t count = std::min(group, cols_ - col);
    const std::uint16_t* source = view().block(row / kernels::block_rows, col / kernels::block_cols) +
                                  row % kernels::block_rows * kernels::block_cols +
                                  kernels::place_in_row(col % kernels::block_cols);
    if (destination.dtype == DType::bf16) {
      std::copy_n(source, count, static_cast<std::uint16_t*>(destination.data) + col);
    } else {
      std::transform(source, source + count, destination.as<float>() + col,
                     [](std::uint16_t bits) { return kernels::to_float(bits); });
    }
  }
}

PackedView PackedMatrix::view() const {
  return {static_cast<const std::uint16_t*>(blocks_.view().data), rows_, cols_};
}

const std::uint16_t* PackedView::block(std::int64_t row, std::int64_t col) const {
  return blocks + (row * block_cols() + col) * kernels::block_elements;
}

std::int64_t PackedView::block_cols() const { return pieces(cols, kernels::block_cols); }

bool prefers_packed(DType dtype) { return dtype == DType::bf16 && cpu_isa() == CpuIsa::amx; }

}  // namespace cola::ops
