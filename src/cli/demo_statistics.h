#pragma once
#include <string>
#include <vector>

namespace cola {

/// Over seeds: the mean, and the spread, which is the sample standard deviation (n - 1); 0 for one value.
struct MeanAndSpread {
  double mean = 0.0;
  double spread = 0.0;
};
[[nodiscard]] MeanAndSpread mean_and_spread(const std::vector<double>& values);

/// How two methods differ in one quantity, over the same seeds. The spread is the larger one of the two.
struct Difference {
  double difference = 0.0;  ///< mean of the first less mean of the second
  double spread = 0.0;
  int first_lower = 0, first_higher = 0;  ///< seeds

  [[nodiscard]] bool larger_than_spread() const;
};
/// Both have one value a seed, in the same order.
[[nodiscard]] Difference difference_of(const std::vector<double>& first, const std::vector<double>& second);

/// A table of text: columns as wide as their widest cell, the first aligned left, the others right.
[[nodiscard]] std::string aligned_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace cola
