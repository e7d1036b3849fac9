#include "backend/context.h"

#include "backend/backend.h"
#include "backend/profile.h"

namespace cola::ops {

Memory& Context::memory() const { return backend_->memory(); }

MatrixView Context::scratch(const std::string& name, DType dtype, std::int64_t rows, std::int64_t cols) {
  Matrix& matrix = scratch_[name];
  matrix.resize(memory(), dtype, rows, cols);
  return matrix.view();
}

void Context::start_profile() { profile_ = std::make_shared<Profile>(); }

}  // namespace cola::ops
