#include "bench/eval_benchmark.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "bench/checks.h"
#include "bench/machine_peak.h"
#include "bench/necessary_work.h"
#include "core/error.h"
#include "eval/loss.h"
#include "eval/question_loss.h"
#include "eval/task_evaluation.h"
#include "tasks/task_set.h"

namespace cola {
namespace {

void check(const EvalBenchmarkOptions& options) {
  require_range("num-test", options.num_test, 1, 1'000'000);
  require_range("rounds", options.rounds, 1, 1000);
  require_memory_for_weights(options.backend->memory(), options.config, options.dtype);
}

std::vector<Question> questions_of(const EvalBenchmarkOptions& options) {
  const Task task = find_task(options.task);
  if (task.generates)
    throw UsageError(
        fmt::format("--task {}: its answers are generated, not scored: see cola bench generate", task.name));
  const auto tokenizer = open_tokenizer(options.tokenizer);
  const TaskEncoding encoding =
      task_encoding(task, *tokenizer, options.config, options.max_length, options.bos_token_id);
  std::vector<Question> questions;
  for (const TaskItem& item : read_test_set(task, task_folder(task, options.task_data),
                                            {{}, {}, options.num_test}, options.data_seed)) {
    questions.push_back(encode_question(item, {}, encoding));
    for (const auto& candidate : questions.back().candidates)
      require_vocabulary(candidate.ids, options.config.vocab_size);
  }
  if (questions.empty()) throw Error(fmt::format("task {}: no examples to score", task.name));
  return questions;
}

/// Tokens and rates of one way, with the seconds of each round and the peaks around it.
void complete(const EvalBenchmarkOptions& options, const std::vector<Question>& questions, bool share_prefix,
              const std::vector<double>& seconds, const std::vector<double>& peaks, ScoringRate& rate) {
  double head_rows = 0.0;
  for (const Question& question : questions) {
    rate.tokens += question_tokens(question, share_prefix);
    for (const auto& candidate : question.candidates)
      head_rows += static_cast<double>(candidate.loss_tokens());
  }
  const auto tokens = static_cast<double>(rate.tokens);
  rate.seconds = spread_of(seconds);
  rate.tokens_per_second = tokens / rate.seconds.median;
  rate.questions_per_second = static_cast<double>(questions.size()) / rate.seconds.median;
  const double flops = 2.0 * weights_by_rows(options.config, tokens, head_rows);
  std::vector<double> fractions;
  for (std::size_t i = 0; i < seconds.size(); ++i) fractions.push_back(flops / seconds[i] / peaks[i]);
  rate.fraction_of_peak = spread_of(std::move(fractions));
}

void time_rounds(const EvalBenchmarkOptions& options, const std::vector<Question>& questions,
                 EvalBenchmark& result, const std::function<void(std::int64_t, std::int64_t)>& progress) {
  constexpr std::uint64_t seed = 42;
  Decoder model(options.config, Weights(options.config, seed, options.dtype, options.backend->memory()));
  if (options.backend->prefers_packed(options.dtype)) model.pack_weights();
  ops::Context context(*options.backend);
  DecoderActivations activations;
  const std::int64_t total = 2 + 2 * options.rounds * result.questions;
  std::int64_t before = 0;
  const auto each = [&](std::int64_t done, std::int64_t) {
    if (progress) progress(before + done, total);
  };
  const auto loss = [&](std::span<const Question> part, bool share) {
    const QuestionScores scores =
        score_questions(context, model, activations, part, share, default_evaluation_tokens, each);
    before += std::ssize(part);
    return scores.loss;
  };
  for (const bool share : {true, false}) (void)loss(std::span(questions).first(1), share);
  PeakBetween peak([&] { return MachinePeak{options.backend->measure_peak(options.dtype), 0.0}; });
  std::vector<double> shared, whole, peaks;
  for (std::int64_t round = 0; round < options.rounds; ++round) {
    const MachinePeak around = peak.around([&] {
      shared.push_back(seconds_of([&] { result.shared.loss = loss(questions, true); }));
      whole.push_back(seconds_of([&] { result.whole.loss = loss(questions, false); }));
    });
    peaks.push_back(around.multiply.flops_per_second);
  }
  result.peak = median_of(peak.peaks()).multiply;
  result.speedup = spread_of_ratios(whole, shared);
  complete(options, questions, true, shared, peaks, result.shared);
  complete(options, questions, false, whole, peaks, result.whole);
}

}  // namespace

EvalBenchmark benchmark_eval(const EvalBenchmarkOptions& options,
                             const std::function<void(std::int64_t done, std::int64_t total)>& progress) {
  check(options);
  const std::vector<Question> questions = questions_of(options);
  EvalBenchmark result;
  result.questions = std::ssize(questions);
  for (const Question& question : questions) result.candidates += std::ssize(question.candidates);
  time_rounds(options, questions, result, progress);
  return result;
}

}  // namespace cola
