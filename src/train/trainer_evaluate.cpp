// Dev evaluation, and the state that is best by it.
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <numeric>

#include "core/error.h"
#include "eval/generate.h"
#include "eval/task_evaluation.h"
#include "train/trainer.h"

namespace cola {
namespace {

template <class T>
std::span<const T> own_share(const Ranks& ranks, const std::vector<T>& all) {
  const auto [begin, end] = share_of(ranks, std::ssize(all));
  return std::span(all).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
}

}  // namespace

void Trainer::evaluate_sequences(Json& event) {
  const Sequences& all = session_.data.dev->sequences.examples;
  const auto [begin, end] = share_of(ranks_, std::ssize(all));
  std::vector<std::int64_t> own(static_cast<std::size_t>(end - begin));
  std::iota(own.begin(), own.end(), begin);
  auto summary = evaluate_loss(context_, *session_.model, activations_, all.select(std::move(own)));
  std::array figures{summary.nll_sum, static_cast<double>(summary.correct),
                     static_cast<double>(summary.loss_tokens)};
  sum_over_ranks(figures, false);
  summary.nll_sum = figures[0];
  summary.correct = static_cast<std::int64_t>(figures[1]);
  summary.loss_tokens = static_cast<std::int64_t>(figures[2]);
  state_.dev_loss = summary.loss();
  event["dev_loss"] = summary.loss();
  event["token_accuracy"] = summary.token_accuracy();
  event["loss_tokens"] = summary.loss_tokens;
}

void Trainer::evaluate_task(Json& event) {
  const SessionData& data = session_.data;
  const bool by_candidates = data.task->objective == TaskObjective::candidates;
  if (!by_candidates) {
    evaluate_sequences(event);
    require_finite_dev_loss();  // nothing can be generated then
  }
  TaskScoring scoring;
  scoring.task = &*data.task;
  scoring.encoding = data.encoding;
  scoring.share_prefix = !session_.options.no_share_prefix;
  scoring.stop_tokens = stop_tokens(session_.options.model, data.tokenizer->special());
  std::array figures{0.0, 0.0};  // sums of scores and of losses
  if (const auto items = own_share(ranks_, data.dev->items); !items.empty()) {
    double candidate_loss = 0.0;
    const TaskResult result =
        score_task(context_, *session_.model, activations_, scoring, items, &candidate_loss);
    for (const auto& prediction : result.predictions) figures[0] += prediction.score;
    figures[1] = candidate_loss * static_cast<double>(items.size());
    event["metric"] = result.metric;
  }
  sum_over_ranks(figures, false);
  const auto examples = static_cast<double>(data.dev->items.size());
  if (by_candidates) {
    state_.dev_loss = figures[1] / examples;
    event["dev_loss"] = *state_.dev_loss;
  }
  state_.dev_score = figures[0] / examples;
  event["dev_score"] = *state_.dev_score;
  event["examples"] = data.dev->items.size();
}

void Trainer::evaluate() {
  const auto start = std::chrono::steady_clock::now();
  Json event{{"event", "eval"}, {"step", state_.steps_done}, {"link", link_number()}};
  std::string score;
  const bool rounded =
      !session_.chain && round_as_saved(context_, session_.model->weights(), session_.saved_dtype);
  if (session_.data.task) {
    evaluate_task(event);
    score = fmt::format("{} {:.2f} %", event.value("metric", ""), 100.0 * *state_.dev_score);
  } else if (session_.data.train.preference() != nullptr) {
    evaluate_pairs(event);
    score =
        fmt::format("accuracy of rewards {:.2f} %, margin {:.4f}",
                    100.0 * event["rewards_accuracy"].get<double>(), event["rewards_margin"].get<double>());
  } else {
    evaluate_sequences(event);
    score = fmt::format("token accuracy {:.2f} %", 100.0 * event["token_accuracy"].get<double>());
  }
  if (rounded) {
    restore_trained(context_, session_.model->weights(), session_.saved_dtype);
    event["rounded_to"] = name_of(session_.saved_dtype.most);
    score +=
        fmt::format(", of the weights rounded to {} as they are saved", name_of(session_.saved_dtype.most));
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  state_.seconds += seconds;
  event["seconds"] = seconds;
  log_->write(event);
  progress_.note(fmt::format("step {}: dev loss {:.5f}, {}", state_.steps_done, *state_.dev_loss, score));
  if (state_.steps_done > 0) keep_best();
}

void Trainer::keep_best() {
  require_finite_dev_loss();
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
