#include "core/matrix.h"

#include <fmt/format.h>

#include <cstdlib>
#include <cstring>

#include "core/error.h"

namespace cola {

void Matrix::Free::operator()(std::byte* memory) const noexcept { std::free(memory); }

Matrix::Matrix(DType dtype, std::int64_t rows, std::int64_t cols) {
  resize(dtype, rows, cols);
  fill_zero();
}

Matrix Matrix::copy_of(ConstMatrixView source) {
  Matrix copy;
  copy.resize(source.dtype, source.rows, source.cols);
  const std::size_t row_bytes = static_cast<std::size_t>(source.cols) * size_of(source.dtype);
  for (std::int64_t row = 0; row < source.rows; ++row) {
    std::memcpy(copy.view().row_range(row, row + 1).data, source.row_range(row, row + 1).data, row_bytes);
  }
  return copy;
}

void Matrix::resize(DType dtype, std::int64_t rows, std::int64_t cols) {
  const std::size_t bytes = static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols) * size_of(dtype);
  if (bytes > capacity_) {
    constexpr std::size_t alignment = 64;
    const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    release();
    data_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, rounded)));
    if (!data_) throw Error(fmt::format("out of memory: could not allocate {:.1f} MiB", static_cast<double>(bytes) / (1 << 20)));
    capacity_ = rounded;
  }
  dtype_ = dtype;
  rows_ = rows;
  cols_ = cols;
}

void Matrix::fill_zero() {
  if (data_) std::memset(data_.get(), 0, static_cast<std::size_t>(size()) * size_of(dtype_));
}

void Matrix::release() {
  data_.reset();
  capacity_ = 0;
  rows_ = cols_ = 0;
}

std::span<float> Matrix::floats() { return {view().as<float>(), static_cast<std::size_t>(size())}; }
std::span<const float> Matrix::floats() const { return {view().as<float>(), static_cast<std::size_t>(size())}; }

}  // namespace cola
