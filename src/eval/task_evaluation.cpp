#include "eval/task_evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "eval/data_options.h"
#include "eval/generate.h"
#include "eval/loss.h"
#include "eval/question_loss.h"
#include "statistics/intervals.h"
#include "tasks/metrics.h"
#include "tasks/task_text.h"

namespace cola {
namespace {

constexpr std::uint64_t bootstrap_seed = 0;

std::vector<std::string> demonstrations_of(const TaskScoring& scoring, std::size_t index) {
  return scoring.demonstrations ? scoring.demonstrations(index) : std::vector<std::string>();
}

/// What counts as right, by name.
std::vector<std::string> gold_of(const Task& task, const TaskItem& item) {
  if (task.generates) return item.answers;
  std::vector<std::string> names;
  for (const std::int32_t index : item.correct)
    names.push_back(item.candidate_names.at(static_cast<std::size_t>(index)));
  return names;
}

std::vector<TaskPrediction> choose_candidates(ops::Context& context, const Decoder& model,
                                              DecoderActivations& activations, const TaskScoring& scoring,
                                              std::span<const TaskItem> items, double* loss) {
  std::vector<Question> questions;
  questions.reserve(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    questions.push_back(encode_question(items[i], demonstrations_of(scoring, i), scoring.encoding));
    for (const auto& candidate : questions.back().candidates)
      require_vocabulary(candidate.ids, model.spec().vocab_size);
  }
  const QuestionScores scored = score_questions(context, model, activations, questions, scoring.share_prefix,
                                                default_evaluation_tokens, scoring.progress);
  if (loss != nullptr) *loss = scored.loss;
  std::vector<TaskPrediction> predictions;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto& scores = scored.scores[i];
    const auto chosen = std::ranges::max_element(scores) - scores.begin();
    std::vector<std::int64_t> tokens;
    for (const Example& candidate : questions[i].candidates) tokens.push_back(candidate.loss_tokens());
    predictions.push_back({items[i].id, items[i].candidate_names.at(static_cast<std::size_t>(chosen)),
                           gold_of(*scoring.task, items[i]),
                           score_candidate(scoring.task->metric, items[i], static_cast<std::int32_t>(chosen)),
                           scores, std::move(tokens)});
  }
  return predictions;
}

/// Prompts of all items, longest first: what ends last is then short.
struct Prompts {
  std::vector<std::vector<std::int32_t>> ids;  ///< [items]
  std::vector<std::size_t> order;
};

Prompts encode_prompts(const Decoder& model, const TaskScoring& scoring, std::span<const TaskItem> items) {
  Prompts prompts;
  for (std::size_t i = 0; i < items.size(); ++i) {
    prompts.ids.push_back(encode_prompt(items[i], demonstrations_of(scoring, i), scoring.encoding));
    require_vocabulary(prompts.ids.back(), model.spec().vocab_size);
    prompts.order.push_back(i);
  }
  std::ranges::stable_sort(prompts.order, std::ranges::greater{},
                           [&](std::size_t i) { return prompts.ids[i].size(); });
  return prompts;
}

/// The greedy continuation of each prompt up to a newline.
std::vector<std::vector<std::int32_t>> continue_prompts(ops::Context& context, const Decoder& model,
                                                        const TaskScoring& scoring, Prompts prompts,
                                                        std::int32_t newline) {
  const auto total = std::ssize(prompts.ids);
  std::int64_t done = 0;
  std::vector<std::vector<std::int32_t>> answers(prompts.ids.size());
  std::vector<Generation> generations;
  for (const std::size_t i : prompts.order) {
    const std::int64_t room = model.spec().max_position_embeddings - std::ssize(prompts.ids[i]);
    const std::int64_t most = std::min(max_answer_tokens, room);
    const auto each = [&, most, &answer = answers[i]](std::int32_t token) {
      const bool stop = scoring.stop_tokens.contains(token);
      if (!stop) answer.push_back(token);
      const bool more = !stop && token != newline && std::ssize(answer) < most;
      if (!more && scoring.progress) scoring.progress(++done, total);
      return more;
    };
    generations.push_back({std::move(prompts.ids[i]), most, Sampler(0.0, 1.0, 0), each});
  }
  generate_tokens(context, model, generations);
  return answers;
}

std::vector<TaskPrediction> generate_answers(ops::Context& context, const Decoder& model,
                                             const TaskScoring& scoring, std::span<const TaskItem> items) {
  const auto newline = scoring.encoding.tokenizer->encode("\n");
  if (newline.empty()) throw Error("the tokenizer has no token for a newline, which ends an answer");
  const auto answers =
      continue_prompts(context, model, scoring, encode_prompts(model, scoring, items), newline.back());
  std::vector<TaskPrediction> predictions;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string text(strip_whitespace(scoring.encoding.tokenizer->decode(answers[i])));
    predictions.push_back({items[i].id,
                           text,
                           gold_of(*scoring.task, items[i]),
                           score_text(scoring.task->metric, items[i], text),
                           {},
                           {}});
  }
  return predictions;
}

OfficialScores official_scores(const Task& task, std::span<const TaskItem> items,
                               std::span<const TaskPrediction> predictions) {
  if (task.official == nullptr) return {};
  std::vector<std::string> answers;
  for (const TaskPrediction& prediction : predictions) answers.push_back(prediction.prediction);
  return task.official(items, answers);
}

void summarise(TaskMetric metric, TaskResult& result) {
  std::vector<double> scores;
  for (const auto& prediction : result.predictions) scores.push_back(prediction.score);
  result.total = std::ssize(scores);
  result.score = std::accumulate(scores.begin(), scores.end(), 0.0) / static_cast<double>(scores.size());
  Interval interval;
  if (metric == TaskMetric::accuracy) {
    result.metric = "accuracy";
    result.correct = std::ranges::count(scores, 1.0);
    interval = wilson_interval(*result.correct, result.total);
  } else {
    result.metric = "f1";
    interval = bootstrap_interval(scores, bootstrap_seed);
  }
  result.interval_low = interval.low;
  result.interval_high = interval.high;
}

}  // namespace

TaskEncoding task_encoding(const Task& task, const Tokenizer& tokenizer, const DecoderSpec& config,
                           std::int64_t max_length, std::optional<std::int32_t> bos) {
  if (bos && (*bos < 0 || *bos >= config.vocab_size)) {
    throw UsageError(
        fmt::format("--bos-token-id {} is outside the model's vocabulary of {}", *bos, config.vocab_size));
  }
  TaskEncoding encoding;
  encoding.tokenizer = &tokenizer;
  encoding.bos = bos;
  const SpecialTokens& special = tokenizer.special();
  if (!bos && special.add_bos) encoding.bos = special.bos;
  encoding.max_length = task_max_length(task, longest_sequence(max_length, config));
  return encoding;
}

void require_vocabulary(std::span<const std::int32_t> ids, std::int64_t vocabulary_size) {
  const auto outside =
      std::ranges::find_if(ids, [=](std::int32_t id) { return id < 0 || id >= vocabulary_size; });
  if (outside == ids.end()) return;
  throw Error(
      fmt::format("the tokenizer makes id {}, outside the model's vocabulary of {}: give the model's own",
                  *outside, vocabulary_size));
}

TaskResult score_task(ops::Context& context, const Decoder& model, DecoderActivations& activations,
                      const TaskScoring& scoring, std::span<const TaskItem> items, double* candidate_loss) {
  if (items.empty()) {
    throw Error(
        fmt::format("task {}: no examples to score: raise --num-test, or with --split dev --num-dev (of a "
                    "task's own file: "
                    "test-examples, dev-examples)",
                    scoring.task->name));
  }
  TaskResult result;
  result.task = scoring.task->name;
  result.predictions = scoring.task->generates
                           ? generate_answers(context, model, scoring, items)
                           : choose_candidates(context, model, activations, scoring, items, candidate_loss);
  summarise(scoring.task->metric, result);
  result.official = official_scores(*scoring.task, items, result.predictions);
  return result;
}

}  // namespace cola
