#pragma once
#include <cstdint>
#include <vector>

#include "data/mixture.h"

namespace cola {

/// Which examples belong to which optimizer step: a pure function of its members, so a resumed run needs the
/// step number alone. An epoch of a mixture is ceil(its size / (batch_size * accumulation)) steps; its last
/// one may be smaller.
class BatchPlan {
 public:
  BatchPlan(Mixture mixture, std::int64_t batch_size, std::int64_t accumulation, bool shuffle,
            std::uint64_t seed);

  [[nodiscard]] std::int64_t steps_per_epoch() const { return steps_per_epoch_; }
  /// Example indices of the micro-batches of optimizer step `step` (from 0): at most `accumulation` lists of
  /// at most batch_size, in the order of Mixture::order.
  [[nodiscard]] std::vector<std::vector<std::int64_t>> micro_batches(std::int64_t step) const;

 private:
  Mixture mixture_;
  std::int64_t batch_size_, accumulation_, steps_per_epoch_;
  bool shuffle_;
  std::uint64_t seed_;
  mutable std::int64_t cached_epoch_ = -1;
  mutable std::vector<std::int64_t> order_;
};

}  // namespace cola
