#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <vector>

#include "core/matrix.h"
#include "support/tensors.h"

namespace cola::test {

/// |actual - expected| <= absolute + relative |expected| for each element, and 1 - cos(actual, expected) <=
/// cosine for the whole tensor (which notices a systematic error that hides below the element tolerance).
struct Tolerance {
  double absolute = 0.0;
  double relative = 0.0;
  double cosine = 1.0;
};

inline testing::AssertionResult is_near(std::span<const double> actual, std::span<const double> expected,
                                        Tolerance tolerance) {
  if (actual.size() != expected.size()) {
    return testing::AssertionFailure() << actual.size() << " elements, expected " << expected.size();
  }
  double dot = 0.0;
  double actual_squares = 0.0;
  double expected_squares = 0.0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double error = std::abs(actual[i] - expected[i]);
    // Negated so that a NaN fails.
    if (!(error <= tolerance.absolute + tolerance.relative * std::abs(expected[i]))) {
      return testing::AssertionFailure() << "element " << i << ": " << actual[i] << ", expected "
                                         << expected[i] << " (error " << error << ")";
    }
    dot += actual[i] * expected[i];
    actual_squares += actual[i] * actual[i];
    expected_squares += expected[i] * expected[i];
  }
  if (expected_squares == 0.0) return testing::AssertionSuccess();
  const double norm = std::sqrt(actual_squares) * std::sqrt(expected_squares);
  const double distance = norm > 0.0 ? 1.0 - dot / norm : 1.0;
  // A double dot product of this length is itself only good to about 1e-14.
  if (!(distance <= tolerance.cosine + 1e-13)) {
    return testing::AssertionFailure() << "1 - cosine is " << distance << ", at most " << tolerance.cosine;
  }
  return testing::AssertionSuccess();
}

inline testing::AssertionResult is_near(ConstMatrixView actual, std::span<const double> expected,
                                        Tolerance tolerance) {
  return is_near(numbers(actual), expected, tolerance);
}

inline testing::AssertionResult is_near(std::span<const float> actual, std::span<const double> expected,
                                        Tolerance tolerance) {
  return is_near(numbers(actual), expected, tolerance);
}

}  // namespace cola::test
