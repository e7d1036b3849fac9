#pragma once
#include <cstdint>

#include "core/matrix.h"

namespace cola::ops {

/// Reads a weight [N, K] in bf16 in the layout of tile products (docs/decisions/0014-tile-products.md):
/// blocks of 32 rows and 32 columns, padded with zeros.
struct PackedView {
  const std::uint16_t* blocks = nullptr;  ///< not owned
  std::int64_t rows = 0;
  std::int64_t cols = 0;

  /// The block of rows [32 row, 32 row + 32) and columns [32 col, 32 col + 32).
  [[nodiscard]] const std::uint16_t* block(std::int64_t row, std::int64_t col) const;
  [[nodiscard]] std::int64_t block_cols() const;  ///< blocks beside each other
};

/// Elements of a packed [N, K].
[[nodiscard]] std::int64_t packed_elements(std::int64_t rows, std::int64_t cols);
/// Packs row-major f32 (rounded to nearest even), bf16 or quantised values into packed_elements.
PackedView pack(ConstMatrixView plain, std::uint16_t* blocks);

/// A weight in that layout, one copy for both directions.
class PackedMatrix {
 public:
  PackedMatrix() = default;
  /// From what pack() takes. `memory` is the host's.
  explicit PackedMatrix(ConstMatrixView plain, Memory& memory = host_memory());

  /// Row `row` into `destination` [1, K], f32 or bf16.
  void read_row(std::int64_t row, MatrixView destination) const;

  [[nodiscard]] PackedView view() const;
  [[nodiscard]] std::int64_t rows() const { return rows_; }
  [[nodiscard]] std::int64_t cols() const { return cols_; }
  [[nodiscard]] bool empty() const { return rows_ == 0 || cols_ == 0; }

 private:
  std::int64_t rows_ = 0;
  std::int64_t cols_ = 0;
  Matrix blocks_;
};

/// A weight [N, K] as an op reads it: row-major, or packed.
struct WeightView {
  // NOLINTBEGIN(google-explicit-constructor): a view of either is what an op asks for
  WeightView(ConstMatrixView row_major) : plain(row_major) {}
  WeightView(MatrixView row_major) : plain(row_major) {}
  WeightView(const PackedMatrix& matrix)
      : plain{nullptr, DType::bf16, matrix.rows(), matrix.cols(), matrix.cols()}, packed(&matrix) {}
  // NOLINTEND(google-explicit-constructor)

  ConstMatrixView plain;                 ///< of a packed weight only shape and dtype
  const PackedMatrix* packed = nullptr;  ///< not owned; null where the weight is row-major
};

/// Whether products with a weight of this dtype are fastest from a packed copy: bf16 on a processor with AMX.
[[nodiscard]] bool prefers_packed(DType dtype);

}  // namespace cola::ops
