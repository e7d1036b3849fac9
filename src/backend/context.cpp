#include "backend/context.h"

namespace cola::ops {

MatrixView Context::scratch(const std::string& name, DType dtype, std::int64_t rows, std::int64_t cols) {
  Matrix& matrix = scratch_[name];
  matrix.resize(dtype, rows, cols);
  return matrix.view();
}

}  // namespace cola::ops
