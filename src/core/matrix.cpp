#include "core/matrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace cola {

void Matrix::Free::operator()(std::byte* memory) const noexcept {
  std::free(memory);  // NOLINT(cppcoreguidelines-owning-memory,cppcoreguidelines-no-malloc): of aligned_alloc
}

Matrix::Matrix(DType dtype, std::int64_t rows, std::int64_t cols) {
  resize(dtype, rows, cols);
  fill_zero();
}

Matrix Matrix::copy_of(ConstMatrixView source) {
  Matrix copy;
  copy.resize(source.dtype, source.rows, source.cols);
  if (source.empty()) return copy;
  const std::size_t row_bytes = static_cast<std::size_t>(source.cols) * size_of(source.dtype);
  for (std::int64_t row = 0; row < source.rows; ++row) {
    std::copy_n(static_cast<const std::byte*>(source.row_range(row, row + 1).data), row_bytes,
                static_cast<std::byte*>(copy.view().row_range(row, row + 1).data));
  }
  return copy;
}

void Matrix::resize(DType dtype, std::int64_t rows, std::int64_t cols) {
  constexpr std::int64_t largest = std::int64_t{1} << 56;  // bytes; keeps every size and offset within int64
  const auto item = static_cast<std::int64_t>(size_of(dtype));
  if (rows < 0 || cols < 0 || (rows > 0 && cols > largest / item / rows)) {
    throw Error(fmt::format("a matrix of {} x {} {} is not possible", rows, cols, name_of(dtype)));
  }
  const auto bytes = static_cast<std::size_t>(rows * cols * item);
  if (bytes > capacity_) {
    constexpr std::size_t alignment = 64;
    const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    release();
    // NOLINTNEXTLINE(cppcoreguidelines-owning-memory,cppcoreguidelines-no-malloc): owned by data_ at once
    data_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, rounded)));
    if (!data_) {
      throw Error(fmt::format("out of memory: could not allocate {:.1f} MiB",
                              static_cast<double>(bytes) / (1 << 20)));
    }
    capacity_ = rounded;
  }
  dtype_ = dtype;
  rows_ = rows;
  cols_ = cols;
}

void Matrix::fill_zero() {
  if (data_) std::memset(data_.get(), 0, static_cast<std::size_t>(size()) * size_of(dtype_));
}

void Matrix::swap(Matrix& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(capacity_, other.capacity_);
  std::swap(dtype_, other.dtype_);
  std::swap(rows_, other.rows_);
  std::swap(cols_, other.cols_);
}

void Matrix::release() {
  data_.reset();
  capacity_ = 0;
  rows_ = cols_ = 0;
}

std::span<float> Matrix::floats() { return {view().as<float>(), static_cast<std::size_t>(size())}; }
std::span<const float> Matrix::floats() const {
  return {view().as<float>(), static_cast<std::size_t>(size())};
}

}  // namespace cola
