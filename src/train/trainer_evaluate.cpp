// Dev evaluation, and the state that is best by it.
#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "core/error.h"
#include "eval/generate.h"
#include "eval/task_evaluation.h"
#include "train/trainer.h"

namespace cola {

void Trainer::evaluate_sequences(Json& event) {
  const auto summary =
      evaluate_loss(context_, *session_.model, activations_, session_.data.dev->sequences.examples);
  state_.dev_loss = summary.loss();
  event["dev_loss"] = summary.loss();
  event["token_accuracy"] = summary.token_accuracy();
  event["loss_tokens"] = summary.loss_tokens;
}

void Trainer::evaluate_task(Json& event) {
  const SessionData& data = session_.data;
  TaskScoring scoring;
  scoring.task = &*data.task;
  scoring.encoding = data.encoding;
  scoring.share_prefix = !session_.options.no_share_prefix;
  scoring.stop_tokens = stop_tokens(session_.options.model, data.tokenizer->special());
  double candidate_loss = 0.0;
  const TaskResult result =
      score_task(context_, *session_.model, activations_, scoring, data.dev->items, &candidate_loss);
  if (data.task->objective == TaskObjective::candidates) {
    state_.dev_loss = candidate_loss;
    event["dev_loss"] = candidate_loss;
  } else {
    evaluate_sequences(event);
  }
  state_.dev_score = result.score;
  event["dev_score"] = result.score;
  event["metric"] = result.metric;
  event["examples"] = result.total;
}

void Trainer::evaluate() {
  const auto start = std::chrono::steady_clock::now();
  Json event{{"event", "eval"}, {"step", state_.steps_done}, {"link", link_number()}};
  std::string score;
  if (session_.data.task) {
    evaluate_task(event);
    score = fmt::format("{} {:.2f} %", event["metric"].get<std::string>(), 100.0 * *state_.dev_score);
  } else {
    evaluate_sequences(event);
    score = fmt::format("token accuracy {:.2f} %", 100.0 * event["token_accuracy"].get<double>());
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  state_.seconds += seconds;
  event["seconds"] = seconds;
  log_->write(event);
  progress_.note(fmt::format("step {}: dev loss {:.5f}, {}", state_.steps_done, *state_.dev_loss, score));
  if (state_.steps_done > 0) keep_best();
}

void Trainer::keep_best() {
  if (!std::isfinite(*state_.dev_loss))
    stop_diverged(fmt::format("step {}: the dev loss is {}", state_.steps_done, *state_.dev_loss));
  if (!state_.best_dev_loss || *state_.dev_loss < *state_.best_dev_loss) {
    state_.best_dev_loss = state_.dev_loss;
    state_.best_dev_score = state_.dev_score;
    state_.evaluations_without_gain = 0;
    write_state_folder(folder_.best(), "best");
  } else {
    ++state_.evaluations_without_gain;
  }
  const auto patience = session_.options.early_stopping_patience;
  state_.stopped_early = patience && state_.evaluations_without_gain >= *patience;
}

}  // namespace cola
