#include "train/step_part.h"

#include <span>

namespace cola {
namespace {

using Indices = std::span<const std::int64_t>;

constexpr std::int64_t tokens_beside_quantized = 512;

}  // namespace

MicroBatchLimit micro_batch_limit(const TrainOptions& options, bool quantized_in_host_memory) {
  MicroBatchLimit limit{.items = options.micro_batch_size.value_or(options.batch_size)};
  if (quantized_in_host_memory && !options.micro_batch_size) limit.tokens = tokens_beside_quantized;
  return limit;
}

StepPart part_of_step(const TrainingData& data, const BatchPlan& plan, std::int64_t step,
                      const MicroBatchLimit& limit, const Ranks& ranks) {
  StepPart part;
  std::int64_t sequences_before = 0;
  for (const auto& batch : plan.micro_batches(step)) {
    const Indices all(batch);
    const LossTerms terms = data.loss_terms(all);
    part.loss_terms.items += terms.items;
    part.loss_terms.own_tokens += terms.own_tokens;
    for (const Indices items : data.micro_batches(all, {.items = limit.items}))
      part.lengths.push_back(data.lengths(items));
    const auto [begin, end] = share_of(ranks, std::ssize(batch));
    const auto skipped = static_cast<std::size_t>(begin);
    std::int64_t first_sequence = sequences_before + std::ssize(data.lengths(all.first(skipped)));
    const Indices share = all.subspan(skipped, static_cast<std::size_t>(end - begin));
    for (const Indices items : data.micro_batches(share, limit))
      part.batches.push_back(data.batch(items, first_sequence));
    sequences_before += std::ssize(data.lengths(all));
  }
  return part;
}

}  // namespace cola
