// cola eval
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "chain/run_folder.h"
#include "cli/applied.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "cli/whole_number.h"
#include "core/error.h"
#include "core/progress.h"
#include "eval/official_json.h"
#include "eval/predictions.h"
#include "io/durable_file.h"
#include "io/files.h"
#include "train/options_toml.h"

namespace cola {
namespace {

struct EvalVerb {
  ModelOptions model;
  EvaluateOptions evaluate;
  PreferenceOptions preference;
  TaskOptions task;
  std::string data, task_data, predictions;
  std::optional<std::uint64_t> data_seed;
  bool json = false;
};

/// The data or the task, or the task and split that the run was trained on.
void complete_task(EvalVerb& verb) {
  if (verb.task.task.empty() == verb.data.empty()) {
    throw UsageError("give one of --data FILE and --task NAME --task-data DIR");
  }
  if (verb.data.empty() && !verb.preference.objective.empty())
    throw UsageError("--objective belongs to --data");
  if (!verb.data.empty()) {
    if (!verb.task_data.empty() || !verb.predictions.empty()) {
      throw UsageError("--task-data and --predictions belong to --task");
    }
    return;
  }
  verb.task.task_data = verb.task_data;
  verb.task.max_length = verb.evaluate.max_length;
  if (verb.model.run.empty()) {
    verb.task.data_seed = verb.data_seed.value_or(verb.task.data_seed);
    return;
  }
  TrainOptions trained;
  read_toml(RunFolder{verb.model.run}.config(), trained);
  verb.task.data_seed = verb.data_seed.value_or(trained.data_seed.value_or(trained.seed));
  if (!verb.task.bos_token_id) verb.task.bos_token_id = trained.bos_token_id;
  if (!verb.task.num_train) verb.task.num_train = trained.num_train;
  if (!verb.task.num_dev) verb.task.num_dev = trained.num_dev;
  if (verb.task.max_length == 0 && !trained.task.empty())
    verb.task.max_length = trained.max_length.value_or(0);
}

/// An evaluation can take hours: what it will be written to is tried before.
void check_predictions_file(const std::filesystem::path& file) {
  if (file.empty()) return;
  if (std::filesystem::is_directory(file))
    throw UsageError(fmt::format("--predictions {}: a folder, and a file is needed", file.string()));
  require_writable_folder(parent_of(file));
}

/// A line of the data set's own metrics, where there are others than the paper's.
std::string official_text(const TaskResult& result) {
  if (result.official.empty()) return {};
  std::vector<std::string> scores;
  std::string missing;
  for (const auto& [name, score] : result.official) {
    scores.push_back(score ? fmt::format("{} {:.2f} %", name, 100.0 * *score) : name + " -");
    if (!score)
      missing = fmt::format("; {} needs every answer of each question: raise --num-test or --num-dev", name);
  }
  return fmt::format("{}, official: {}{}\n", result.task, fmt::join(scores, ", "), missing);
}

void print_task(const TaskResult& result, bool as_json) {
  if (as_json) {
    print_json({{"task", result.task},
                {"metric", result.metric},
                {"score", result.score},
                {"correct", result.correct ? Json(*result.correct) : Json(nullptr)},
                {"total", result.total},
                {"interval", {result.interval_low, result.interval_high}},
                {"official", official_json(result.official)},
                {"links", result.links}});
    return;
  }
  const std::string counts = result.correct ? fmt::format("{} of {}", *result.correct, result.total)
                                            : fmt::format("{} examples", result.total);
  print(fmt::format("{}: {} {:.2f} %, {}; 95 % interval {:.2f} to {:.2f} %\n", result.task, result.metric,
                    100.0 * result.score, counts, 100.0 * result.interval_low, 100.0 * result.interval_high) +
        official_text(result));
}

void print_loss(const EvaluateResult& result, bool as_json) {
  if (as_json) {
    print_json({{"loss", result.loss},
                {"perplexity", result.perplexity},
                {"token_accuracy", result.token_accuracy},
                {"loss_tokens", result.loss_tokens},
                {"sequences", result.sequences},
                {"links", result.links}});
    return;
  }
  print(fmt::format(
      "loss:           {:.5f} nats a token\nperplexity:     {:.4f}\ntoken accuracy: {:.2f} %\n"
      "loss tokens:    {} in {} sequences\n",
      result.loss, result.perplexity, 100.0 * result.token_accuracy, result.loss_tokens, result.sequences));
}

void print_preferences(const PreferenceResult& result, bool as_json) {
  const double margin = result.reward_chosen - result.reward_rejected;
  if (as_json) {
    print_json({{"loss", result.loss},
                {"rewards_chosen", result.reward_chosen},
                {"rewards_rejected", result.reward_rejected},
                {"rewards_margin", margin},
                {"rewards_accuracy", result.accuracy},
                {"logps_chosen", result.log_probability_chosen},
                {"logps_rejected", result.log_probability_rejected},
                {"pairs", result.pairs},
                {"links", result.links}});
    return;
  }
  print(fmt::format(
      "loss:     {:.5f}\naccuracy: {:.2f} % of {} pairs have the larger reward for the chosen answer\n"
      "rewards:  chosen {:.4f}, rejected {:.4f}, margin {:.4f}\n",
      result.loss, 100.0 * result.accuracy, result.pairs, result.reward_chosen, result.reward_rejected,
      margin));
}

void run_eval(EvalVerb verb) {
  complete_task(verb);
  check_predictions_file(verb.predictions);
  const ModelSource source = model_source(verb.model);
  LanguageModel model(source);
  Progress progress(false);
  for (const std::string& line : describe_applied(source, model)) progress.note(line);
  if (const std::string remark = model.tokenizer_remark(); !remark.empty()) progress.note(remark);
  const auto report = [&progress, &verb](std::int64_t done, std::int64_t total) {
    progress.update(fmt::format("{} of {} {}", done, total,
                                verb.data.empty()                   ? "examples"
                                : verb.preference.objective.empty() ? "sequences"
                                                                    : "pairs"),
                    done, total);
  };
  if (verb.data.empty()) {
    verb.task.progress = report;
    const TaskResult result = model.evaluate_task(verb.task);
    print_task(result, verb.json);
    if (!verb.predictions.empty()) write_text_file(verb.predictions, predictions_text(result.predictions));
    return;
  }
  verb.evaluate.progress = report;
  Progress reading(false);
  verb.evaluate.reading = [&reading](const std::string& text, std::int64_t done, std::int64_t total) {
    reading.update(text, done, total);
  };
  verb.evaluate.note = [&reading](const std::string& line) { reading.note(line); };
  if (!verb.preference.objective.empty()) {
    const PreferenceResult result = model.evaluate_preferences(verb.data, verb.preference, verb.evaluate);
    progress.note(fmt::format("data: {}", result.data_summary));
    print_preferences(result, verb.json);
    return;
  }
  const EvaluateResult result = model.evaluate(verb.data, verb.evaluate);
  progress.note(fmt::format("data: {}", result.data_summary));
  print_loss(result, verb.json);
}

void add_task_options(CLI::App& verb, EvalVerb& state) {
  TaskOptions& task = state.task;
  verb.add_option("--task", task.task, "task: sst2 ... drop, or a TOML file of your own")->type_name("NAME");
  verb.add_option("--task-data", state.task_data, "folder of the task's files")->type_name("DIR");
  verb.add_option("--split", task.split, "test, or dev")->capture_default_str();
  verb.add_option("--num-train", task.num_train, "examples that training has (moves where dev begins)");
  verb.add_option("--num-dev", task.num_dev, "examples of dev (default: the paper's number)");
  verb.add_option("--num-test", task.num_test, "examples of test (default: the paper's number)");
  verb.add_option("--data-seed", state.data_seed, "seed of the split (default: the run's, else 42)")
      ->check(whole_number());
  verb.add_option("--demonstrations", task.demonstrations, "in-context examples, anew for each test example")
      ->capture_default_str();
  verb.add_option("--bos-token-id", task.bos_token_id,
                  "token before every text (default: the run's, else the tokenizer's own)");
  verb.add_flag("--no-share-prefix", task.no_share_prefix, "run every candidate whole");
  verb.add_option("--predictions", state.predictions, "write the predictions, JSONL")->type_name("FILE");
}

}  // namespace

void add_eval(CLI::App& app) {
  CLI::App& verb = *app.add_subcommand("eval", "score a data file (loss) or a task (accuracy, F1)");
  const auto state = std::make_shared<EvalVerb>();
  verb.add_option("--data", state->data, "data, in any form of docs/formats.md")->type_name("FILE");
  add_task_options(verb, *state);
  add_model_options(verb, state->model);
  add_base_options(verb, state->model);
  add_data_options(verb, state->evaluate);
  add_preference_options(verb, state->preference);
  verb.add_flag("--json", state->json, "print the result as JSON");
  verb.callback([state, &verb] {
    if (!state->data.empty()) take_data_options(verb, state->model.run, state->evaluate);
    take_preference_options(state->model.run, state->preference);
    run_eval(*state);
  });
}

}  // namespace cola
