// A run that goes on with a broken model is stopped, and says where it broke.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "io/discard_folder.h"
#include "train/diverged_error.h"
#include "train/trainer.h"

namespace cola {

void Trainer::require_alive(const StepReport& report, const StepPart& part) {
  const std::int64_t step = state_.steps_done + 1;
  if (!std::isfinite(report.loss) || !std::isfinite(report.gradient_norm)) {
    stop_diverged(fmt::format("step {}: the loss is {} and the gradient norm {}", step, report.loss,
                              report.gradient_norm));
  }
  // Rightly 0 where nothing is left to learn, and for queries and keys where a token attends to itself
  // alone, as the one with a loss in a sequence of two does.
  const bool attends = std::ranges::any_of(part.lengths, [](const auto& lengths) {
    return std::ranges::any_of(lengths, [](auto n) { return n > 2; });
  });
  if (report.gradient_norm == 0.0 && report.loss != 0.0 && attends) {
    stop_diverged(fmt::format("step {}: the gradient of all trained parameters is exactly 0, the loss {}",
                              step, report.loss));
  }
}

void Trainer::require_finite_loss() {
  double sum = 0.0;
  if (const StepPart part = part_of_next_step(); !part.batches.empty()) {
    const RaggedBatch& batch = part.batches.front().ragged();
    std::vector<float> nll(batch.targets.size());
    session_.model->forward(state_of(batch), activations_);
    session_.model->loss(state_of(batch), activations_, nll, {});
    for (const float loss : nll) sum += static_cast<double>(loss);
  }
  sum_over_ranks({&sum, 1}, false);
  if (!std::isfinite(sum))
    stop_diverged(fmt::format("step {}: the loss after its update is {}", state_.steps_done, sum));
}

void Trainer::require_finite_dev_loss() {
  if (state_.steps_done > 0 && !std::isfinite(*state_.dev_loss))
    stop_diverged(fmt::format("step {}: the dev loss is {}", state_.steps_done, *state_.dev_loss));
}

std::string Trainer::describe_overflow() {
  std::string norm;
  for (const StepPart part = part_of_next_step(); const auto& batch : part.batches)
    if (norm.empty()) norm = session_.model->overflowing_norm(state_of(batch.ragged()), activations_);
  const auto norms = ranks_.gather(norm);
  const auto first = std::ranges::find_if(norms, [](const auto& name) { return !name.empty(); });
  if (first == norms.end()) return "";
  const bool layer_norm = session_.config.block(0).norm.kind == NormKind::layer;
  return fmt::format(": the input of {} has overflowed (its {} is not finite)", *first,
                     layer_norm ? "variance" : "mean square");
}

void Trainer::stop_diverged(const std::string& symptom) {
  const std::string where = describe_overflow();
  auto saved = folder_.checkpoint_steps();
  if (!saved.empty() && saved.back() == state_.steps_done) {
    if (writes()) discard_folder(folder_.checkpoint(saved.back()));
    saved.pop_back();
  }
  throw DivergedError(
      fmt::format("{}{}: stopped; {}\nuse a lower --learning-rate, or --max-grad-norm", symptom, where,
                  saved.empty() ? "there is no checkpoint from before"
                                : fmt::format("the last good checkpoint is step {}", saved.back())));
}

}  // namespace cola
