#pragma once
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "core/random.h"

namespace cola {

/// Chooses the next token from logits: greedy, or from the temperature's softmax cut to its nucleus (top-p,
/// Holtzman et al., 2020). The n-th choice depends on the seed, n and the logits alone.
class Sampler {
 public:
  /// temperature 0: greedy, the first of equals. Throws UsageError unless temperature >= 0 and 0 < top_p
  /// <= 1.
  Sampler(double temperature, double top_p, std::uint64_t seed);

  /// Throws Error if the logits are not finite.
  [[nodiscard]] std::int32_t choose(std::span<const float> logits);

 private:
  /// The most probable tokens, decreasing, that together have at least top_p; weights are not normalised.
  void cut_to_nucleus();

  double temperature_;
  double top_p_;
  RandomStream random_;
  std::vector<std::pair<double, std::int32_t>> candidates_;  ///< (weight, token)
};

}  // namespace cola
