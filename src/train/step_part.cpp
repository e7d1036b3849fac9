#include "train/step_part.h"

#include <algorithm>
#include <span>

namespace cola {
namespace {

using Indices = std::span<const std::int64_t>;

/// Calls visit(piece) on consecutive pieces of at most `length`.
template <class Visit>
void for_pieces(Indices indices, std::int64_t length, const Visit& visit) {
  const auto most = static_cast<std::size_t>(length);
  for (std::size_t begin = 0; begin < indices.size(); begin += most)
    visit(indices.subspan(begin, std::min(most, indices.size() - begin)));
}

}  // namespace

StepPart part_of_step(const TrainingData& data, const BatchPlan& plan, std::int64_t step,
                      std::int64_t at_a_time, const Ranks& ranks) {
  StepPart part;
  std::int64_t sequences_before = 0;
  for (const auto& batch : plan.micro_batches(step)) {
    const Indices all(batch);
    part.loss_terms += data.loss_terms(all);
    for_pieces(all, at_a_time, [&](Indices piece) { part.lengths.push_back(data.lengths(piece)); });
    const auto [begin, end] = share_of(ranks, std::ssize(batch));
    const auto skipped = static_cast<std::size_t>(begin);
    std::int64_t first_sequence = sequences_before + std::ssize(data.lengths(all.first(skipped)));
    for_pieces(all.subspan(skipped, static_cast<std::size_t>(end - begin)), at_a_time,
               [&](Indices piece) { part.batches.push_back(data.batch(piece, first_sequence)); });
    sequences_before += std::ssize(data.lengths(all));
  }
  return part;
}

}  // namespace cola
