// Knots: tie the live link, check, begin the next.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "train/trainer.h"

namespace cola {

void Trainer::begin_link(std::int64_t number) {
  state_.live_number = number;
  if (session_.chain) session_.chain->begin_live(session_.new_link(number), !session_.options.freeze_a);
  optimizer_ = std::make_unique<Optimizer>(session_.plan.optimizer, session_.trainables(), context_.memory());
}

void Trainer::announce_link() {
  const auto parameters = result().trained_parameters;
  if (session_.chain) {
    progress_.note(fmt::format("link {}: {} trained parameters, rank {}", link_number(), parameters,
                               session_.chain->live().modules.front().rank()));
  } else {
    progress_.note(fmt::format("{} trained parameters", parameters));
  }
}

Matrix Trainer::knot_logits(const RaggedBatch& batch) {
  if (batch.tokens() == 0) return {};
  constexpr std::size_t most_rows = 64;
  const StepState step{context_, batch};
  const auto rows = std::span(batch.loss_rows).first(std::min(most_rows, batch.loss_rows.size()));
  Matrix logits;
  logits.resize(context_.memory(), DType::f32, std::ssize(rows), session_.config.vocab_size);
  session_.model->forward(step, activations_);
  session_.model->logits(step, activations_, rows, logits.view());
  if (context_.memory().is_host()) return logits;
  return Matrix::copy_of(std::as_const(logits).view(), context_.memory());
}

void Trainer::tie_knot() {
  const auto start = std::chrono::steady_clock::now();
  const StepPart part = part_of_next_step();
  const RaggedBatch batch = part.batches.empty() ? RaggedBatch() : part.batches.front().ragged();
  const auto before = knot_logits(batch);
  const double norm = session_.chain->live().delta_norm(context_);
  const std::int64_t tied_link = link_number();
  session_.chain->tie_live(context_);
  tied_at_.emplace_back(state_.steps_done);
  ++state_.tied_links;
  if (session_.plan.stall_rule) session_.plan.knots.push_back(state_.steps_done);
  state_.link_losses.clear();
  state_.knot_due = false;
  begin_link(state_.live_number + 1);
  check_after_knot();
  const auto after = knot_logits(batch);
  double change = 0.0;
  double largest = 0.0;
  for (std::size_t i = 0; i < before.floats().size(); ++i) {
    const auto was = static_cast<double>(before.floats()[i]);
    change = std::max(change, std::abs(static_cast<double>(after.floats()[i]) - was));
    largest = std::max(largest, std::abs(was));
  }
  write_links_and_manifest();
  context_.backend().synchronize();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  state_.seconds += seconds;
  log_->write({{"event", "knot"},
               {"step", state_.steps_done},
               {"link", tied_link},
               {"tie", name_of(session_.plan.tie)},
               {"delta_norm", norm},
               {"max_logit_change", change},
               {"max_logit", largest},
               {"seconds", seconds}});
  progress_.note(fmt::format(
      "knot after step {}: link {} tied ({}), |delta W| {:.4g}, largest change of a logit {:.2g} of {:.3g}",
      state_.steps_done, tied_link, name_of(session_.plan.tie), norm, change, largest));
  announce_link();
}

void Trainer::check_after_knot() const {
  const bool starts_given = static_cast<std::size_t>(state_.live_number) < session_.initial_links.size();
  for (const auto& module : session_.chain->live().modules) {
    const FloatsOnHost b(module.b.memory(), module.b.floats());
    if (!starts_given && std::ranges::any_of(b.values(), [](float value) { return value != 0.0F; })) {
      throw std::logic_error("knot: B of the new link is not zero");
    }
  }
  if (!optimizer_->is_fresh()) throw std::logic_error("knot: the optimizer was not reset");
}

}  // namespace cola
