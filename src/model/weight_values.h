#pragma once
#include <utility>
#include <variant>

#include "backend/packed_matrix.h"
#include "core/matrix.h"

namespace cola {

/// The values of a weight [out, in], or of a vector [1, n]. They lie in one place: borrowed from the
/// memory-mapped file or a matrix, which outlives them; in a matrix of their own; or packed for tile
/// products. None by default. A view is valid until other values are assigned, or these are moved from.
class WeightValues {
 public:
  WeightValues() = default;
  // NOLINTBEGIN(google-explicit-constructor): each is values in another place
  WeightValues(ConstMatrixView borrowed) : place_(borrowed) {}
  WeightValues(MatrixView borrowed) : place_(ConstMatrixView(borrowed)) {}
  WeightValues(Matrix owned) : place_(std::move(owned)) {}
  WeightValues(ops::PackedMatrix packed) : place_(std::move(packed)) {}
  // NOLINTEND(google-explicit-constructor)

  /// As products read them.
  [[nodiscard]] ops::WeightView view() const {
    if (const auto* own = owned()) return own->view();
    if (const auto* tiles = packed()) return *tiles;
    return std::get<ConstMatrixView>(place_);
  }
  /// Row-major; of packed ones only shape and dtype, with null data.
  [[nodiscard]] ConstMatrixView plain() const { return view().plain; }
  [[nodiscard]] bool empty() const { return plain().empty(); }

  /// The matrix of their own; null where they are borrowed or packed.
  [[nodiscard]] Matrix* owned() { return std::get_if<Matrix>(&place_); }
  [[nodiscard]] const Matrix* owned() const { return std::get_if<Matrix>(&place_); }
  /// Null where they are row-major.
  [[nodiscard]] const ops::PackedMatrix* packed() const { return std::get_if<ops::PackedMatrix>(&place_); }

  /// A vector's copy in bf16, [1, n] in the same memory; empty if none is kept, as of values just assigned.
  [[nodiscard]] ConstMatrixView rounded() const { return rounded_.view(); }
  void keep_rounded(Matrix copy) { rounded_ = std::move(copy); }

 private:
  std::variant<ConstMatrixView, Matrix, ops::PackedMatrix> place_;
  Matrix rounded_;
};

}  // namespace cola
