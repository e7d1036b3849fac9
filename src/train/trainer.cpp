#include "train/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "backend/cpu_isa.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "core/parallel.h"
#include "core/system_memory.h"
#include "io/files.h"
#include "log/flops.h"
#include "train/options_toml.h"

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

void zero_gradients(const std::vector<TrainableParameter>& parameters) {
  for (const auto& parameter : parameters) std::ranges::fill(parameter.gradient, 0.0F);
}

Json number_or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

}  // namespace

Trainer::Trainer(TrainingSession session, bool resume, bool quiet)
    : session_(std::move(session)), folder_{session_.options.out}, progress_(quiet) {
  state_.train_digest = digest_of(session_.train_data);
  state_.dev_digest = session_.dev_data ? digest_of(*session_.dev_data) : "";
  std::vector<std::int64_t> saved;
  if (resume) {
    log_ = std::make_unique<RunLog>(folder_.log());  // the run's lock: before anything is touched
    std::filesystem::create_directories(folder_.checkpoints());
    std::filesystem::create_directories(folder_.links());
    for (const auto& folder : {folder_.root, folder_.checkpoints(), folder_.links()})
      remove_leftovers(folder);
    saved = folder_.checkpoint_steps();
  }
  if (saved.empty()) {
    start_fresh();
  } else {
    resume_from(saved);
  }
}

void Trainer::announce() {
  const auto& data = session_.train_data.report;
  progress_.note(fmt::format("train data: {}", data.summary()));
  if (session_.dev_data) progress_.note(fmt::format("dev data:   {}", session_.dev_data->report.summary()));
  progress_.note(session_.memory.summary());
  progress_.note(fmt::format("compute: {}, {} threads, {}", name_of(session_.compute_dtype), thread_count(),
                             ops::name_of(ops::cpu_isa())));
  if (session_.config.dropout > 0.0 && session_.options.dropout == "0") {
    progress_.note(
        fmt::format("note: the checkpoint's configured dropout of {} is not used; --dropout config uses it",
                    session_.config.dropout));
  }
}

void Trainer::start_fresh() {
  for (auto& link : session_.tied_links) {
    session_.chain->add_tied(context_, std::move(link));
    tied_at_.emplace_back();
  }
  session_.tied_links.clear();
  state_.tied_links = static_cast<std::int64_t>(tied_at_.size());
  require_writable_folder(folder_.root);
  remove_leftovers(folder_.root);
  write_text_file(folder_.config(), to_toml(session_.options));
  std::filesystem::create_directories(folder_.checkpoints());
  std::filesystem::create_directories(folder_.links());
  if (!log_) log_ = std::make_unique<RunLog>(folder_.log());
  log_->cut(0);
  announce();
  begin_link(0);
  log_->write({{"event", "start"},
               {"method", session_.options.method},
               {"steps", session_.plan.total_steps},
               {"steps_per_epoch", session_.plan.steps_per_epoch},
               {"knots", session_.plan.knots},
               {"examples", session_.train_data.examples.size()},
               {"tokens", session_.train_data.report.tokens},
               {"trained_parameters", result().trained_parameters}});
  write_links_and_manifest();
}

void Trainer::resume_from(const std::vector<std::int64_t>& saved) {
  const std::int64_t step = saved.back();
  try {
    restore(step);
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    const std::string older =
        saved.size() > 1 ? fmt::format("from step {}", saved[saved.size() - 2]) : "again from the start";
    throw Error(fmt::format("cannot resume from step {}: {}\nto go on {}, remove {}", step, error.what(),
                            older, folder_.checkpoint(step).string()));
  }
  announce();
  progress_.note(fmt::format("resumed at step {} of {}", step, session_.plan.total_steps));
}

void Trainer::restore(std::int64_t step) {
  const auto checkpoint = folder_.checkpoint(step);
  TrainingState saved = read_checkpoint_state(checkpoint);
  const auto changed = [](const std::filesystem::path& file) {
    return UsageError(fmt::format("--resume: {} has changed since the run began", file.string()));
  };
  const TrainOptions& options = session_.options;
  if (saved.train_digest != state_.train_digest) throw changed(options.train);
  if (saved.dev_digest != state_.dev_digest) throw changed(options.dev.empty() ? options.train : options.dev);
  const auto& knots = session_.plan.knots;
  const auto links_done = std::ranges::lower_bound(knots, step) - knots.begin();
  if (saved.steps_done != step || step > session_.plan.total_steps || saved.live_number != links_done ||
      (session_.chain &&
       saved.tied_links != links_done + static_cast<std::int64_t>(session_.tied_origins.size()))) {
    throw Error(fmt::format("{}: does not fit the run's config.toml", (checkpoint / "state.json").string()));
  }
  state_ = saved;
  if (session_.chain) {
    restore_chain(checkpoint);
  } else {
    read_checkpoint_weights(checkpoint, context_, session_.model->weights());
  }
  optimizer_ = std::make_unique<Optimizer>(session_.plan.optimizer, session_.trainables());
  read_checkpoint_optimizer(checkpoint, state_, *optimizer_);
  log_->cut(state_.log_bytes);
}

void Trainer::restore_chain(const std::filesystem::path& checkpoint) {
  const auto& knots = session_.plan.knots;
  session_.tied_links.clear();
  tied_at_.resize(session_.tied_origins.size());
  tied_at_.insert(tied_at_.end(), knots.begin(), knots.begin() + state_.live_number);
  for (auto& link : read_links(folder_, state_.tied_links))
    session_.chain->add_tied(context_, std::move(link));
  session_.chain->begin_live(read_checkpoint_link(checkpoint), !session_.options.freeze_a);
}

void Trainer::begin_link(std::int64_t number) {
  state_.live_number = number;
  if (session_.chain) session_.chain->begin_live(session_.new_link(number), !session_.options.freeze_a);
  optimizer_ = std::make_unique<Optimizer>(session_.plan.optimizer, session_.trainables());
  const auto parameters = result().trained_parameters;
  if (session_.chain) {
    progress_.note(fmt::format("link {}: {} trained parameters, rank {}", link_number(), parameters,
                               session_.chain->live().modules.front().rank()));
  } else {
    progress_.note(fmt::format("{} trained parameters", parameters));
  }
}

std::int64_t Trainer::link_number() const { return session_.chain ? state_.tied_links + 1 : 0; }

std::vector<RaggedBatch> Trainer::batches_of_step(std::int64_t step) const {
  std::vector<RaggedBatch> batches;
  std::int64_t first_sequence = 0;
  for (const auto& indices : session_.batches->micro_batches(step)) {
    std::vector<const Example*> examples;
    for (const std::int64_t index : indices) {
      examples.push_back(&session_.train_data.examples[static_cast<std::size_t>(index)]);
    }
    batches.push_back(make_batch(examples, first_sequence));
    first_sequence += static_cast<std::int64_t>(examples.size());
  }
  return batches;
}

Trainer::StepReport Trainer::do_step() {
  const auto start = Clock::now();
  const std::uint64_t flops_before = context_.flops();
  const auto batches = batches_of_step(state_.steps_done);
  std::int64_t loss_tokens = 0;
  for (const auto& batch : batches) loss_tokens += batch.loss_tokens();
  zero_gradients(optimizer_->parameters());

  StepReport report;
  std::vector<float> nll;
  double nll_sum = 0.0;
  for (const auto& batch : batches) {
    StepState step{context_,
                   batch,
                   true,
                   session_.hidden_dropout(),
                   static_cast<float>(session_.options.lora_dropout),
                   dropout_seed(session_.options.seed, state_.steps_done)};
    nll.resize(static_cast<std::size_t>(batch.loss_tokens()));
    session_.model->forward(step, activations_);
    session_.model->loss_and_backward(step, activations_, 1.0F / static_cast<float>(loss_tokens), nll);
    nll_sum = std::accumulate(nll.begin(), nll.end(), nll_sum);
    report.tokens += batch.tokens();
    state_.hf_flos += hf_flos(batch, hf_flos_parameters(session_.config) +
                                         (session_.chain ? session_.chain->live().parameter_count() : 0));
  }
  report.loss = nll_sum / static_cast<double>(loss_tokens);
  report.gradient_norm = gradient_norm(context_, optimizer_->parameters());
  if (!std::isfinite(report.loss) || !std::isfinite(report.gradient_norm)) {
    throw Error(fmt::format(
        "step {}: the loss is {} and the gradient norm {}: stopped; the last checkpoint is step {}\n"
        "use a lower --learning-rate, or --max-grad-norm",
        state_.steps_done + 1, report.loss, report.gradient_norm,
        folder_.checkpoint_steps().empty() ? 0 : folder_.checkpoint_steps().back()));
  }
  report.learning_rate = session_.plan.schedule.at(state_.steps_done);
  optimizer_->update(context_, report.learning_rate,
                     clip_factor(report.gradient_norm, session_.options.max_grad_norm));
  if (!session_.chain) {
    for (const auto& parameter : session_.model->weights().all()) Weights::refresh(context_, *parameter);
  }
  report.seconds = seconds_since(start);
  ++state_.steps_done;
  state_.train_loss = report.loss;
  state_.seconds += report.seconds;
  state_.tokens += report.tokens;
  state_.real_flops += static_cast<double>(context_.flops() - flops_before);
  return report;
}

void Trainer::log_step(const StepReport& report) {
  const double epoch =
      static_cast<double>(state_.steps_done) / static_cast<double>(session_.plan.steps_per_epoch);
  log_->write({{"event", "step"},
               {"step", state_.steps_done},
               {"epoch", epoch},
               {"loss", report.loss},
               {"lr", report.learning_rate},
               {"grad_norm", report.gradient_norm},
               {"tokens", report.tokens},
               {"seconds", report.seconds},
               {"link", link_number()},
               {"hf_flos", state_.hf_flos},
               {"real_flops", state_.real_flops}});
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
  return session_.chain && std::ranges::binary_search(session_.plan.knots, state_.steps_done);
}

std::vector<float> Trainer::knot_logits(const RaggedBatch& batch) {
  constexpr std::size_t most_rows = 64;
  const StepState step{context_, batch};
  const auto rows = std::span(batch.loss_rows).first(std::min(most_rows, batch.loss_rows.size()));
  std::vector<float> logits(rows.size() * static_cast<std::size_t>(session_.config.vocab_size));
  session_.model->forward(step, activations_);
  session_.model->logits(step, activations_, rows,
                         {logits.data(), DType::f32, static_cast<std::int64_t>(rows.size()),
                          session_.config.vocab_size, session_.config.vocab_size});
  return logits;
}

void Trainer::tie_knot() {
  const auto start = Clock::now();
  const RaggedBatch batch = std::move(batches_of_step(state_.steps_done).front());
  const auto before = knot_logits(batch);
  const double norm = session_.chain->live().delta_norm(context_);
  const std::int64_t tied_link = link_number();
  session_.chain->tie_live(context_);
  tied_at_.emplace_back(state_.steps_done);
  ++state_.tied_links;
  begin_link(state_.live_number + 1);
  check_after_knot();
  const auto after = knot_logits(batch);
  double change = 0.0;
  double largest = 0.0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    change = std::max(change, std::abs(static_cast<double>(after[i]) - static_cast<double>(before[i])));
    largest = std::max(largest, std::abs(static_cast<double>(before[i])));
  }
  write_links_and_manifest();
  state_.seconds += seconds_since(start);
  log_->write({{"event", "knot"},
               {"step", state_.steps_done},
               {"link", tied_link},
               {"tie", name_of(session_.plan.tie)},
               {"delta_norm", norm},
               {"max_logit_change", change},
               {"max_logit", largest}});
  progress_.note(fmt::format(
      "knot after step {}: link {} tied ({}), |delta W| {:.4g}, largest change of a logit {:.2g} of {:.3g}",
      state_.steps_done, tied_link, name_of(session_.plan.tie), norm, change, largest));
}

void Trainer::check_after_knot() const {
  const bool starts_given = static_cast<std::size_t>(state_.live_number) < session_.initial_links.size();
  for (const auto& module : session_.chain->live().modules) {
    const auto values = module.b.floats();
    if (!starts_given && std::ranges::any_of(values, [](float value) { return value != 0.0F; })) {
      throw std::logic_error("knot: B of the new link is not zero");
    }
  }
  if (!optimizer_->is_fresh()) throw std::logic_error("knot: the optimizer was not reset");
}

void Trainer::evaluate() {
  const auto start = Clock::now();
  const auto summary = evaluate_loss(context_, *session_.model, activations_, session_.dev_data->examples);
  state_.dev_loss = summary.loss();
  state_.seconds += seconds_since(start);
  log_->write({{"event", "eval"},
               {"step", state_.steps_done},
               {"link", link_number()},
               {"dev_loss", summary.loss()},
               {"token_accuracy", summary.token_accuracy()},
               {"loss_tokens", summary.loss_tokens},
               {"seconds", seconds_since(start)}});
  progress_.note(fmt::format("step {}: dev loss {:.5f}, token accuracy {:.2f} %", state_.steps_done,
                             summary.loss(), 100.0 * summary.token_accuracy()));
  if (state_.steps_done > 0) keep_best();
}

void Trainer::keep_best() {
  if (!std::isfinite(*state_.dev_loss))
    throw Error(fmt::format("step {}: the dev loss is not finite", state_.steps_done));
  if (!state_.best_dev_loss || *state_.dev_loss < *state_.best_dev_loss) {
    state_.best_dev_loss = state_.dev_loss;
    state_.evaluations_without_gain = 0;
    write_state_folder(folder_.best(), "best");
  } else {
    ++state_.evaluations_without_gain;
  }
  const auto patience = session_.options.early_stopping_patience;
  state_.stopped_early = patience && state_.evaluations_without_gain >= *patience;
}

void Trainer::save_checkpoint() {
  log_->write({{"event", "checkpoint"}, {"step", state_.steps_done}});
  log_->sync();
  state_.log_bytes = log_->bytes();
  state_.optimizer_steps = optimizer_->steps_done();
  write_checkpoint_folder(folder_.checkpoint(state_.steps_done), state_, *optimizer_,
                          session_.chain ? &session_.chain->live() : nullptr,
                          session_.chain ? nullptr : &session_.model->weights());
  folder_.prune_checkpoints(session_.options.save_total_limit);
}

TrainResult Trainer::run() {
  const InterruptGuard guard;
  if (session_.dev_data && state_.steps_done == 0) evaluate();
  while (state_.steps_done < session_.plan.total_steps && !state_.stopped_early) {
    if (knot_now()) tie_knot();
    log_step(do_step());
    if (session_.dev_data && due(session_.options.eval_steps)) evaluate();
    const bool interrupted = InterruptGuard::pending() != 0;
    if (due(session_.options.save_steps) || knot_now() || interrupted || state_.stopped_early)
      save_checkpoint();
    if (interrupted && state_.steps_done < session_.plan.total_steps) {
      write_links_and_manifest();
      throw Error(fmt::format(
          "stopped by a signal after step {}, checkpoint saved; go on with: cola train --resume --out {}",
          state_.steps_done, folder_.root.string()));
    }
  }
  finish();
  return result();
}

void Trainer::finish() {
  write_links_and_manifest();
  write_state_folder(folder_.last(), "last");
  const TrainResult done = result();
  log_->write({{"event", "end"},
               {"step", done.steps},
               {"links", done.links},
               {"train_loss", done.train_loss},
               {"dev_loss", number_or_null(done.dev_loss)},
               {"best_dev_loss", number_or_null(done.best_dev_loss)},
               {"seconds", done.seconds},
               {"tokens", done.tokens},
               {"hf_flos", done.hf_flos},
               {"real_flops", done.real_flops},
               {"peak_rss_bytes", done.peak_rss_bytes},
               {"stopped_early", state_.stopped_early}});
  log_->sync();
}

TrainResult Trainer::result() const {
  TrainResult result;
  result.run = folder_.root;
  result.steps = state_.steps_done;
  result.links = link_number();
  result.train_loss = state_.train_loss;
  result.dev_loss = state_.dev_loss;
  result.best_dev_loss = state_.best_dev_loss;
  result.seconds = state_.seconds;
  result.tokens = state_.tokens;
  if (optimizer_) {
    for (const auto& parameter : optimizer_->parameters()) {
      result.trained_parameters += static_cast<std::int64_t>(parameter.value.size());
    }
  }
  result.hf_flos = state_.hf_flos;
  result.real_flops = state_.real_flops;
  result.peak_rss_bytes = peak_resident_bytes();
  return result;
}

}  // namespace cola
