#include "core/matrix.h"

#include <fmt/format.h>

#include <utility>

#include "core/error.h"

namespace cola {

Matrix::Matrix(DType dtype, std::int64_t rows, std::int64_t cols, Memory& memory) {
  resize(memory, dtype, rows, cols);
  fill_zero();
}

Matrix Matrix::copy_of(ConstMatrixView source, Memory& memory) {
  Matrix copy;
  copy.resize(source.dtype, source.rows, source.cols);
  if (source.empty()) return copy;
  const bool dense = source.stride == source.cols;
  const std::int64_t rows_at_once = dense ? source.rows : 1;
  const std::size_t bytes = static_cast<std::size_t>(bytes_of(source.dtype, rows_at_once * source.cols));
  for (std::int64_t row = 0; row < source.rows; row += rows_at_once) {
    memory.download(static_cast<const std::byte*>(source.row_range(row, row + 1).data),
                    static_cast<std::byte*>(copy.view().row_range(row, row + 1).data), bytes);
  }
  return copy;
}

Matrix Matrix::moved_to(Memory& memory, Matrix matrix) {
  if (&matrix.memory() == &memory || matrix.empty()) return matrix;
  const Matrix host = matrix.memory().is_host() ? std::move(matrix) : copy_of(matrix.view(), matrix.memory());
  Matrix moved;
  moved.resize(memory, host.dtype(), host.rows(), host.cols());
  memory.upload(host.data_.data(), moved.data_.data(), host.data_.size());
  return moved;
}

void Matrix::resize(DType dtype, std::int64_t rows, std::int64_t cols) {
  constexpr std::int64_t largest = std::int64_t{1} << 56;  // bytes; keeps every size and offset within int64
  const BlockLayout block = layout_of(dtype);
  if (rows < 0 || cols < 0 || cols % block.values != 0 || (rows > 0 && cols > largest / block.bytes / rows)) {
    throw Error(fmt::format("a matrix of {} x {} {} is not possible", rows, cols, name_of(dtype)));
  }
  data_.resize(static_cast<std::size_t>(bytes_of(dtype, rows * cols)));
  dtype_ = dtype;
  rows_ = rows;
  cols_ = cols;
}

void Matrix::resize(Memory& memory, DType dtype, std::int64_t rows, std::int64_t cols) {
  if (&memory != &data_.memory()) data_ = Buffer(memory);
  resize(dtype, rows, cols);
}

void Matrix::fill_zero() {
  if (!empty()) memory().fill_zero(data_.data(), data_.size());
}

void Matrix::swap(Matrix& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(dtype_, other.dtype_);
  std::swap(rows_, other.rows_);
  std::swap(cols_, other.cols_);
}

void Matrix::release() {
  data_.release();
  rows_ = cols_ = 0;
}

std::span<float> Matrix::floats() { return {view().as<float>(), static_cast<std::size_t>(size())}; }
std::span<const float> Matrix::floats() const {
  return {view().as<float>(), static_cast<std::size_t>(size())};
}

}  // namespace cola
