#pragma once
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "core/dtype.h"
#include "core/memory.h"

namespace cola {

/// Read-only view of a row-major matrix [rows, cols]; `stride` elements from one row to the next.
/// Rows of a quantised one are whole blocks. A view owns nothing and is passed by value.
struct ConstMatrixView {
  const void* data = nullptr;
  DType dtype = DType::f32;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t stride = 0;

  template <class T>
  [[nodiscard]] const T* as() const {
    assert(dtype == dtype_of<T>);
    return static_cast<const T*>(data);
  }
  [[nodiscard]] bool empty() const { return rows == 0 || cols == 0; }
  /// Rows [begin, end).
  [[nodiscard]] ConstMatrixView row_range(std::int64_t begin, std::int64_t end) const {
    const auto* bytes = static_cast<const std::byte*>(data);
    return {bytes + bytes_of(dtype, begin * stride), dtype, end - begin, cols, stride};
  }
  /// Columns [begin, end), of a quantised matrix whole blocks.
  [[nodiscard]] ConstMatrixView column_range(std::int64_t begin, std::int64_t end) const {
    const auto* bytes = static_cast<const std::byte*>(data);
    return {bytes + bytes_of(dtype, begin), dtype, rows, end - begin, stride};
  }
};

/// Writable view; converts to ConstMatrixView.
struct MatrixView {
  void* data = nullptr;
  DType dtype = DType::f32;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t stride = 0;

  template <class T>
  [[nodiscard]] T* as() const {
    assert(dtype == dtype_of<T>);
    return static_cast<T*>(data);
  }
  [[nodiscard]] bool empty() const { return rows == 0 || cols == 0; }
  [[nodiscard]] MatrixView row_range(std::int64_t begin, std::int64_t end) const {
    auto* bytes = static_cast<std::byte*>(data);
    return {bytes + bytes_of(dtype, begin * stride), dtype, end - begin, cols, stride};
  }
  [[nodiscard]] MatrixView column_range(std::int64_t begin, std::int64_t end) const {
    auto* bytes = static_cast<std::byte*>(data);
    return {bytes + bytes_of(dtype, begin), dtype, rows, end - begin, stride};
  }
  // NOLINTNEXTLINE(google-explicit-constructor): a writable view is a read-only one
  operator ConstMatrixView() const { return {data, dtype, rows, cols, stride}; }
};

/// Owns a dense row-major matrix, 64-byte aligned, in the host's memory or a device's. `resize` keeps the
/// memory when it is large enough, so that a buffer used again every step stops allocating after the largest
/// batch. Contents after a resize are unspecified. A moved-from matrix is empty and may be used again. Throws
/// Error if the memory cannot be had.
class Matrix {
 public:
  Matrix() = default;
  Matrix(DType dtype, std::int64_t rows, std::int64_t cols, Memory& memory = host_memory());  ///< zero-filled
  ~Matrix() = default;
  Matrix(const Matrix&) = delete;
  Matrix& operator=(const Matrix&) = delete;
  Matrix(Matrix&& other) noexcept { swap(other); }
  Matrix& operator=(Matrix&& other) noexcept {
    Matrix taken(std::move(other));
    swap(taken);
    return *this;
  }
  /// In the host's memory, of a view of `memory`.
  [[nodiscard]] static Matrix copy_of(ConstMatrixView source, Memory& memory = host_memory());
  /// The same matrix in `memory`: itself where it lies there already.
  [[nodiscard]] static Matrix moved_to(Memory& memory, Matrix matrix);

  void resize(DType dtype, std::int64_t rows, std::int64_t cols);
  /// In `memory` from here on.
  void resize(Memory& memory, DType dtype, std::int64_t rows, std::int64_t cols);
  void fill_zero();
  void release();  ///< gives the memory back; the matrix is empty after it

  [[nodiscard]] MatrixView view() { return {data_.data(), dtype_, rows_, cols_, cols_}; }
  [[nodiscard]] ConstMatrixView view() const { return {data_.data(), dtype_, rows_, cols_, cols_}; }
  [[nodiscard]] std::int64_t rows() const { return rows_; }
  [[nodiscard]] std::int64_t cols() const { return cols_; }
  [[nodiscard]] std::int64_t size() const { return rows_ * cols_; }
  [[nodiscard]] DType dtype() const { return dtype_; }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] std::size_t capacity_bytes() const { return data_.capacity(); }
  [[nodiscard]] Memory& memory() const { return data_.memory(); }

  /// The elements as one span, in the matrix's memory; the matrix is f32.
  [[nodiscard]] std::span<float> floats();
  [[nodiscard]] std::span<const float> floats() const;

 private:
  void swap(Matrix& other) noexcept;

  Buffer data_;
  DType dtype_ = DType::f32;
  std::int64_t rows_ = 0;
  std::int64_t cols_ = 0;
};

}  // namespace cola
