#include "bench/random_matrix.h"

#include <algorithm>

#include "backend/elementwise.h"
#include "core/random.h"

namespace cola {

Matrix random_matrix(ops::Context& context, DType dtype, std::int64_t rows, std::int64_t cols,
                     std::uint64_t stream) {
  constexpr std::int64_t seed = 42;
  constexpr std::int64_t different_rows = 16;
  RandomStream random(seed, RandomPurpose::benchmark, stream);
  Matrix values;
  values.resize(DType::f32, std::min(rows, different_rows), cols);
  for (float& value : values.floats()) value = 2.0F * random.next_uniform() - 1.0F;
  Matrix matrix;
  matrix.resize(dtype, rows, cols);
  for (std::int64_t row = 0; row < rows; row += different_rows) {
    const std::int64_t count = std::min(different_rows, rows - row);
    ops::convert(context, values.view().row_range(0, count), matrix.view().row_range(row, row + count));
  }
  return matrix;
}

}  // namespace cola
