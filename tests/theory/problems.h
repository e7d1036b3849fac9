#pragma once
#include <memory>

#include "theory/linear_layer.h"
#include "theory/matrix_completion.h"
#include "theory/sigmoid_regression.h"

namespace cola::theory::test {

/// Small problems of each kind.
inline std::unique_ptr<Problem> small_completion() {
  return make_matrix_completion({.rows = 8, .cols = 6, .reading_noise = 0.02}, 7);
}

inline std::unique_ptr<Problem> small_regression() {
  return make_sigmoid_regression({.rows = 5, .cols = 4, .measurements = 150}, 7);
}

inline LabelledInputs small_inputs() {
  LabelledInputs inputs{random_normal(80, 6, data_stream(7, 100)), {}, 4};
  const Matrix noise = random_normal(80, 1, data_stream(7, 101));
  for (Eigen::Index i = 0; i < 80; ++i)  // depends on the inputs, but not only on them
    inputs.labels.push_back((inputs.x(i, 0) + noise(i) > 0.0 ? 2 : 0) + (inputs.x(i, 1) > 0.0 ? 1 : 0));
  return inputs;
}

inline std::unique_ptr<Problem> small_layer() { return make_linear_layer(small_inputs(), 2.0); }

}  // namespace cola::theory::test
