#include "train/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <iterator>

#include "backend/backend.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "core/system_memory.h"
#include "dist/agreement.h"
#include "log/flops.h"
#include "log/tensorboard.h"
#include "train/op_profile.h"
#include "train/preference_log.h"

namespace cola {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Dropout masks differ from step to step but not between a run and its resumed twin.
std::uint64_t dropout_seed(std::uint64_t seed, std::int64_t step) {
  return RandomStream(seed, RandomPurpose::hidden_dropout, static_cast<std::uint64_t>(step))
      .next_below(~std::uint64_t{0});
}

/// What the live link's rank saves of the parameters that a link of the first one's rank has.
std::int64_t parameters_saved(const TrainingSession& session) {
  if (!session.chain) return 0;
  const std::int64_t first_rank = session.initial_links.empty()
                                      ? session.plan.links.front().rank
                                      : session.initial_links.front().modules.front().rank();
  std::int64_t saved = 0;
  for (const LoraModule& module : session.chain->live().modules)
    saved += (first_rank - module.rank()) * (module.a.cols() + module.b.rows());
  return saved;
}

Json number_or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

}  // namespace

std::int64_t Trainer::link_number() const { return session_.chain ? state_.tied_links + 1 : 0; }

StepPart Trainer::part_of_next_step() const {
  return part_of_step(session_.data.train, *session_.batches, state_.steps_done, session_.micro_batch,
                      ranks_);
}

void Trainer::sum_over_ranks(std::span<double> figures, bool gradients) {
  std::vector<double> all(figures.begin(), figures.end());
  all.push_back(InterruptGuard::pending() != 0 ? 1.0 : 0.0);
  std::vector<std::span<float>> tensors;
  if (gradients) {
    for (const auto& parameter : optimizer_->parameters()) tensors.push_back(parameter.gradient);
  }
  ranks_.sum(all, tensors);
  std::ranges::copy(std::span(all).first(figures.size()), figures.begin());
  interrupted_ = interrupted_ || all.back() > 0.0;
}

StepState Trainer::state_of(const RaggedBatch& batch) {
  return {context_,
          batch,
          true,
          session_.hidden_dropout(),
          static_cast<float>(session_.options.lora_dropout),
          dropout_seed(session_.options.seed, state_.steps_done),
          session_.options.activation_checkpointing};
}

Trainer::StepReport Trainer::do_step() {
  const auto start = Clock::now();
  const std::uint64_t flops_before = context_.flops();
  const StepPart part = part_of_next_step();
  optimizer_->zero_gradients(context_);

  const std::int64_t counted_parameters =
      hf_flos_parameters(session_.config) + (session_.chain ? session_.chain->live().parameter_count() : 0);
  const std::int64_t saved_parameters = parameters_saved(session_);
  StepReport report;
  double loss_sum = 0.0;
  for (const auto& lengths : part.lengths) {
    state_.hf_flos += hf_flos(lengths, counted_parameters);
    state_.hf_flos_saved += hf_flos(lengths, saved_parameters);
  }
  for (const auto& batch : part.batches) {
    const PreferenceTraining* preference = session_.data.train.preference();
    const BatchLoss loss =
        forward_backward(state_of(batch.ragged()), *session_.model, activations_, batch, part.loss_terms,
                         preference != nullptr ? &preference->objective : nullptr);
    loss_sum += loss.sum;
    report.preferences.add(loss.preferences);
    report.tokens += batch.ragged().tokens();
  }
  std::vector<double> figures{loss_sum, static_cast<double>(report.tokens),
                              static_cast<double>(context_.flops() - flops_before)};
  const std::size_t others = figures.size();
  std::ranges::copy(report.preferences.figures(), std::back_inserter(figures));
  sum_over_ranks(figures, true);
  report.preferences = PreferenceSums::of_figures(std::span(figures).subspan(others));
  report.loss = figures[0] / static_cast<double>(part.loss_terms.items);
  report.tokens = static_cast<std::int64_t>(figures[1]);
  report.gradient_norm = gradient_norm(context_, optimizer_->parameters());
  require_alive(report, part);
  if (!newest_is_proven_ && writes()) folder_.prune_checkpoints(session_.options.save_total_limit);
  newest_is_proven_ = true;
  report.learning_rate = session_.plan.schedule.at(state_.steps_done);
  optimizer_->update(context_, report.learning_rate,
                     clip_factor(report.gradient_norm, session_.options.max_grad_norm));
  if (!session_.chain) {
    for (const auto& parameter : session_.model->weights().all()) Weights::refresh(context_, *parameter);
  }
  context_.backend().synchronize();
  report.seconds = seconds_since(start);
  ++state_.steps_done;
  state_.train_loss = report.loss;
  state_.seconds += report.seconds;
  state_.tokens += report.tokens;
  state_.real_flops += figures[2];
  return report;
}

void Trainer::log_step(const StepReport& report) {
  const double epoch =
      static_cast<double>(state_.steps_done) / static_cast<double>(session_.plan.steps_per_epoch);
  Json event{
      {"event", "step"},           {"step", state_.steps_done},      {"epoch", epoch},
      {"loss", report.loss},       {"lr", report.learning_rate},     {"grad_norm", report.gradient_norm},
      {"tokens", report.tokens},   {"seconds", report.seconds},      {"link", link_number()},
      {"hf_flos", state_.hf_flos}, {"real_flops", state_.real_flops}};
  if (report.preferences.pairs > 0) event.update(preference_json(report.preferences));
  log_->write(event);
  const std::string link = session_.chain ? fmt::format("  link {}", link_number()) : "";
  progress_.update(fmt::format("step {}/{}  epoch {:.2f}{}  loss {:.4f}  lr {:.2e}  {:.0f} tokens/s",
                               state_.steps_done, session_.plan.total_steps, epoch, link, report.loss,
                               report.learning_rate, static_cast<double>(report.tokens) / report.seconds),
                   state_.steps_done, session_.plan.total_steps);
}

bool Trainer::due(std::optional<std::int64_t> every) const {
  return state_.steps_done % every.value_or(session_.plan.steps_per_epoch) == 0 ||
         state_.steps_done == session_.plan.total_steps;
}

bool Trainer::knot_now() const {
  if (session_.plan.stall_rule) return state_.knot_due;
  return session_.chain && std::ranges::binary_search(session_.plan.knots, state_.steps_done);
}

void Trainer::watch_for_stall(double loss) {
  const RunPlan& plan = session_.plan;
  if (!plan.stall_rule) return;
  state_.link_losses.push_back(loss);
  const bool room = state_.live_number + 1 < plan.stall_rule->max_links &&
                    plan.total_steps - state_.steps_done >= plan.stall_rule->min_link_steps;
  state_.knot_due = room && has_stalled(*plan.stall_rule, state_.link_losses);
}

void Trainer::save_checkpoint() {
  for (const auto& parameter : optimizer_->parameters()) {
    const FloatsOnHost value(context_.memory(), parameter.value);
    if (!std::ranges::all_of(value.values(), [](float x) { return std::isfinite(x); }))
      stop_diverged(fmt::format("step {}: {} is not finite", state_.steps_done, parameter.name));
  }
  if (!writes()) return;
  log_->write({{"event", "checkpoint"}, {"step", state_.steps_done}});
  log_->sync();
  state_.log_bytes = log_->bytes();
  state_.optimizer_steps = optimizer_->steps_done();
  if (session_.plan.stall_rule) state_.knots = session_.plan.knots;
  write_checkpoint_folder(folder_.checkpoint(state_.steps_done), state_, *optimizer_,
                          session_.chain ? &session_.chain->live() : nullptr,
                          session_.chain ? nullptr : &session_.model->weights());
  newest_is_proven_ = false;  // older ones are kept until it is
  if (session_.options.tensorboard) update_tensorboard(folder_.root);
}

TrainResult Trainer::run() {
  const InterruptGuard guard;
  const auto start = Clock::now();
  if (session_.data.dev && state_.steps_done == 0) evaluate();
  while (state_.steps_done < session_.plan.total_steps && !state_.stopped_early) {
    if (knot_now()) tie_knot();
    const StepReport report = do_step();
    log_step(report);
    watch_for_stall(report.loss);
    if (session_.data.dev && due(session_.options.eval_steps)) evaluate();
    if (due(session_.options.save_steps) || knot_now() || interrupted_ || state_.stopped_early)
      save_checkpoint();
    if (interrupted_ && state_.steps_done < session_.plan.total_steps) {
      write_links_and_manifest();
      wait_for_all(ranks_);  // for rank 0's files, before any ends
      throw Error(fmt::format(
          "stopped by a signal after step {}, checkpoint saved; go on with: cola train --resume --out {}",
          state_.steps_done, folder_.root.string()));
    }
  }
  const std::optional<ops::Profile> profile =
      context_.profile() != nullptr ? std::optional(*context_.profile()) : std::nullopt;
  if (!session_.data.dev) require_finite_loss();  // no part of the run's work: after its profile
  finish();
  TrainResult done = result();
  if (profile) done.profile = op_profile(*profile, seconds_since(start));
  return done;
}

void Trainer::finish() {
  if (writes()) folder_.prune_checkpoints(session_.options.save_total_limit);
  write_links_and_manifest();
  write_state_folder(folder_.last(), "last");
  const TrainResult done = result();
  log_->write({{"event", "end"},
               {"step", done.steps},
               {"links", done.links},
               {"train_loss", done.train_loss},
               {"dev_loss", number_or_null(done.dev_loss)},
               {"best_dev_loss", number_or_null(done.best_dev_loss)},
               {"dev_score", number_or_null(done.dev_score)},
               {"best_dev_score", number_or_null(done.best_dev_score)},
               {"seconds", done.seconds},
               {"tokens", done.tokens},
               {"hf_flos", done.hf_flos},
               {"hf_flos_saved", done.hf_flos_saved},
               {"real_flops", done.real_flops},
               {"peak_rss_bytes", done.peak_rss_bytes},
               {"stopped_early", state_.stopped_early}});
  log_->sync();
  if (writes() && session_.options.tensorboard) update_tensorboard(folder_.root);
}

TrainResult Trainer::result() const {
  TrainResult result;
  result.run = folder_.root;
  result.steps = state_.steps_done;
  result.links = link_number();
  result.train_loss = state_.train_loss;
  result.dev_loss = state_.dev_loss;
  result.best_dev_loss = state_.best_dev_loss;
  result.dev_score = state_.dev_score;
  result.best_dev_score = state_.best_dev_score;
  result.relative_rounding_error = rounding_error_;
  result.seconds = state_.seconds;
  result.tokens = state_.tokens;
  if (optimizer_) {
    for (const auto& parameter : optimizer_->parameters()) {
      result.trained_parameters += static_cast<std::int64_t>(parameter.value.size());
    }
  }
  result.hf_flos = state_.hf_flos;
  result.hf_flos_saved = state_.hf_flos_saved;
  result.real_flops = state_.real_flops;
  result.planned_bytes = session_.memory.total();
  result.peak_rss_bytes = peak_resident_bytes();
  return result;
}

}  // namespace cola
