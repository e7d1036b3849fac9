#include "backend/packed_matrix.h"

#include <algorithm>
#include <cstring>

#include "backend/checks.h"
#include "backend/cpu/kernels/bf16.h"
#include "backend/cpu/kernels/tile_layout.h"
#include "backend/cpu_isa.h"
#include "core/parallel.h"

namespace cola::ops {
namespace {

std::int64_t blocks_of(std::int64_t count, std::int64_t size) { return (count + size - 1) / size; }

/// Columns [col, col + 4) of a row are neighbours in a block, too.
constexpr std::int64_t group = 4;
static_assert(kernels::place_in_row(3) == 3 && kernels::place_in_row(4) == 8 &&
              kernels::place_in_row(16) == 4);

void copy(const float* from, std::int64_t count, std::uint16_t* to) {
  for (std::int64_t i = 0; i < count; ++i) kernels::store_float(from[i], to + i);
}
void copy(const std::uint16_t* from, std::int64_t count, std::uint16_t* to) { std::copy_n(from, count, to); }

template <class T>
void pack_block(ConstMatrixView plain, std::int64_t first_row, std::int64_t first_col, std::uint16_t* block) {
  std::fill_n(block, kernels::block_elements, std::uint16_t{0});
  const std::int64_t rows = std::min(kernels::block_rows, plain.rows - first_row);
  const std::int64_t cols = std::min(kernels::block_cols, plain.cols - first_col);
  for (std::int64_t row = 0; row < rows; ++row) {
    const T* source = static_cast<const T*>(plain.data) + (first_row + row) * plain.stride + first_col;
    std::uint16_t* target = block + row * kernels::block_cols;
    for (std::int64_t col = 0; col < cols; col += group)
      copy(source + col, std::min(group, cols - col), target + kernels::place_in_row(col));
  }
}

}  // namespace

PackedMatrix::PackedMatrix(ConstMatrixView plain) : rows_(plain.rows), cols_(plain.cols) {
  check(is_compute_dtype(plain.dtype), "PackedMatrix", "the weight must be f32 or bf16");
  const std::int64_t down = blocks_of(rows_, kernels::block_rows);
  const std::int64_t beside = block_cols();
  blocks_.resize(DType::bf16, down * beside, kernels::block_elements);
  auto* blocks = static_cast<std::uint16_t*>(blocks_.view().data);
  parallel_for(down * beside, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t index = begin; index < end; ++index) {
      const auto pack = plain.dtype == DType::bf16 ? pack_block<std::uint16_t> : pack_block<float>;
      pack(plain, index / beside * kernels::block_rows, index % beside * kernels::block_cols,
           blocks + index * kernels::block_elements);
    }
  });
}

void PackedMatrix::read_row(std::int64_t row, MatrixView destination) const {
  check_shape(destination, 1, cols_, "PackedMatrix", "a row");
  check(is_compute_dtype(destination.dtype), "PackedMatrix", "a row is read as f32 or bf16");
  for (std::int64_t col = 0; col < cols_; col += group) {
    const std::int64_t count = std::min(group, cols_ - col);
    const std::uint16_t* source = block(row / kernels::block_rows, col / kernels::block_cols) +
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

const std::uint16_t* PackedMatrix::block(std::int64_t row, std::int64_t col) const {
  const auto* blocks = static_cast<const std::uint16_t*>(blocks_.view().data);
  return blocks + (row * block_cols() + col) * kernels::block_elements;
}

std::int64_t PackedMatrix::block_cols() const { return blocks_of(cols_, kernels::block_cols); }

bool prefers_packed(DType dtype) { return dtype == DType::bf16 && cpu_isa() == CpuIsa::amx; }

}  // namespace cola::ops
