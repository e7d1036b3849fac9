#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "backend/cpu_isa.h"
#include "core/matrix.h"
#include "core/random.h"

namespace cola::test {

/// Element (row, col) of an f32, bf16 or f16 matrix as a double.
inline double element(ConstMatrixView view, std::int64_t row, std::int64_t col) {
  const std::int64_t index = row * view.stride + col;
  switch (view.dtype) {
    case DType::bf16:
      return static_cast<float>(view.as<BFloat16>()[index]);
    case DType::f16:
      return static_cast<float>(view.as<Float16>()[index]);
    default:
      return view.as<float>()[index];
  }
}

/// Writes a value, rounded to the matrix's dtype.
inline void set_element(MatrixView view, std::int64_t row, std::int64_t col, double value) {
  const std::int64_t index = row * view.stride + col;
  const auto rounded = static_cast<float>(value);
  switch (view.dtype) {
    case DType::bf16:
      view.as<BFloat16>()[index] = BFloat16(rounded);
      break;
    case DType::f16:
      view.as<Float16>()[index] = Float16(rounded);
      break;
    default:
      view.as<float>()[index] = rounded;
  }
}

/// The elements of a matrix, dense and row-major, as `Number` (double, std::complex<double>).
template <class Number = double>
std::vector<Number> numbers(ConstMatrixView view) {
  std::vector<Number> result;
  for (std::int64_t row = 0; row < view.rows; ++row) {
    for (std::int64_t col = 0; col < view.cols; ++col) result.emplace_back(element(view, row, col));
  }
  return result;
}

template <class Number = double>
std::vector<Number> numbers(std::span<const float> values) {
  return {values.begin(), values.end()};
}

/// A matrix whose rows are `padding` elements further apart than they are long. The padding holds NaN: an op
/// that reads it spoils its result, and padding_intact() tells if one wrote it.
class TestMatrix {
 public:
  TestMatrix(DType dtype, std::int64_t rows, std::int64_t cols, std::int64_t padding = 0)
      : storage_(dtype, rows, cols + padding), cols_(cols) {
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t col = cols; col < cols + padding; ++col) {
        set_element(storage_.view(), row, col, std::numeric_limits<double>::quiet_NaN());
      }
    }
  }

  [[nodiscard]] MatrixView view() {
    MatrixView view = storage_.view();
    view.cols = cols_;
    return view;
  }
  [[nodiscard]] ConstMatrixView view() const {
    ConstMatrixView view = storage_.view();
    view.cols = cols_;
    return view;
  }
  [[nodiscard]] bool padding_intact() const {
    for (std::int64_t row = 0; row < storage_.rows(); ++row) {
      for (std::int64_t col = cols_; col < storage_.cols(); ++col) {
        const double value = element(storage_.view(), row, col);
        if (value == value) return false;
      }
    }
    return true;
  }

 private:
  Matrix storage_;
  std::int64_t cols_;
};

/// Columns [begin, end) of a matrix.
inline MatrixView columns(MatrixView view, std::int64_t begin, std::int64_t end) {
  auto* first = static_cast<std::byte*>(view.data) + begin * static_cast<std::int64_t>(size_of(view.dtype));
  return {first, view.dtype, view.rows, end - begin, view.stride};
}

/// N(0, scale^2) elements, rounded to dtype; the same for the same seed.
inline TestMatrix random_matrix(DType dtype, std::int64_t rows, std::int64_t cols, std::uint64_t seed,
                                double scale = 1.0, std::int64_t padding = 0) {
  TestMatrix matrix(dtype, rows, cols, padding);
  RandomStream stream(seed, RandomPurpose::benchmark);
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t col = 0; col < cols; ++col) {
      set_element(matrix.view(), row, col, scale * stream.next_normal());
    }
  }
  return matrix;
}

inline std::vector<float> random_floats(std::int64_t count, std::uint64_t seed, double scale = 1.0) {
  RandomStream stream(seed, RandomPurpose::benchmark);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = static_cast<float>(scale * stream.next_normal());
  return values;
}

/// The instruction sets that this processor runs, for tests that call each kernel table.
inline std::vector<ops::CpuIsa> runnable_isas() {
  std::vector<ops::CpuIsa> result;
  for (int isa = 0; isa <= static_cast<int>(ops::cpu_isa()); ++isa) {
    if (isa <= static_cast<int>(ops::CpuIsa::avx512_bf16)) result.push_back(static_cast<ops::CpuIsa>(isa));
  }
  return result;
}

}  // namespace cola::test
