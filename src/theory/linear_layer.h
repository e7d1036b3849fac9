#pragma once
#include <memory>
#include <vector>

#include "theory/problem.h"

namespace cola::theory {

/// Inputs of a linear layer and a class for each of them.
struct LabelledInputs {
  Matrix x;                          ///< [n, D]
  std::vector<Eigen::Index> labels;  ///< [n], each in [0, classes)
  Eigen::Index classes = 0;          ///< C
};

/// Softmax regression: L(W) = mean over i of cross-entropy(softmax(W x_i), label_i), W [C, D]. An example is
/// a row of x. Throws Error for sizes or labels that do not fit, or x that is not finite.
[[nodiscard]] std::unique_ptr<Problem> make_linear_layer(LabelledInputs inputs, double radius);

}  // namespace cola::theory
