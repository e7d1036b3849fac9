#include "data/batch_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "core/error.h"

namespace cola {

BatchPlan::BatchPlan(Mixture mixture, std::int64_t batch_size, std::int64_t accumulation, bool shuffle,
                     std::uint64_t seed)
    : mixture_(std::move(mixture)),
      batch_size_(batch_size),
      accumulation_(accumulation),
      shuffle_(shuffle),
      seed_(seed) {
  if (mixture_.size() < 1) throw UsageError("there are no examples to train on");
  if (batch_size < 1) throw UsageError(fmt::format("--batch-size {} is less than 1", batch_size));
  if (accumulation < 1)
    throw UsageError(fmt::format("--gradient-accumulation-steps {} is less than 1", accumulation));
  if (batch_size > std::numeric_limits<std::int64_t>::max() / accumulation) {
    throw UsageError(fmt::format("--batch-size {} times --gradient-accumulation-steps {} is too large",
                                 batch_size, accumulation));
  }
  steps_per_epoch_ = (mixture_.size() - 1) / (batch_size * accumulation) + 1;
}

std::vector<std::vector<std::int64_t>> BatchPlan::micro_batches(std::int64_t step) const {
  const std::int64_t epoch = step / steps_per_epoch_;
  if (epoch != cached_epoch_) {
    order_ = mixture_.order(epoch, shuffle_, seed_);
    cached_epoch_ = epoch;
  }
  std::vector<std::vector<std::int64_t>> batches;
  std::int64_t begin = step % steps_per_epoch_ * (batch_size_ * accumulation_);
  for (std::int64_t micro = 0; micro < accumulation_ && begin < mixture_.size(); ++micro) {
    const std::int64_t end = begin + std::min(batch_size_, mixture_.size() - begin);
    batches.emplace_back(order_.begin() + begin, order_.begin() + end);
    begin = end;
  }
  return batches;
}

}  // namespace cola
