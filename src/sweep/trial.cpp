#include "sweep/trial.h"

#include <fmt/format.h>

#include <cmath>
#include <sstream>

#include "chain/run_folder.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "eval/official_json.h"
#include "eval/predictions.h"
#include "io/file_lock.h"
#include "io/files.h"
#include "io/json.h"
#include "train/diverged_error.h"

namespace cola {
namespace {

constexpr const char* rerun_trial = "remove the trial's folder and run it again";
constexpr int lock_patience = 10;  // s: a killed sweep's trial may be on its way out

Json number_or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

std::optional<double> optional_number(const JsonReader& json, const std::string& key) {
  return json.has(key) ? std::optional(json.number(key)) : std::nullopt;
}

/// What a test.json begins with.
Json trial_json(const SweepTrial& trial) {
  Json setting = Json::object();
  for (const SweepSetting* part : {&trial.setting, &trial.tuned}) {
    for (const auto& [option, value] : *part) setting[option] = value;
  }
  return {{"id", trial.id},
          {"task", trial.task},
          {"method", trial.method},
          {"setting", setting},
          {"learning_rate", number_or_null(trial.learning_rate)},
          {"seed", trial.seed}};
}

void read_predictions(const std::filesystem::path& file, TrialResult& result) {
  if (!std::filesystem::exists(file))
    throw Error(fmt::format("{} is missing beside test.json: {}", file.string(), rerun_trial));
  std::istringstream lines(read_text_file(file));
  std::int64_t number = 0;
  PredictionCounter counter;
  for (std::string line; std::getline(lines, line);) {
    const std::string where = fmt::format("{}:{}", file.string(), ++number);
    const Json json = parse_json(line, where);
    const JsonReader reader(json, where);
    result.items.push_back(reader.string("id"));
    result.item_scores.push_back(reader.number("score"));
    counter.add(reader);
  }
  result.predictions = counter.summary();
  if (static_cast<std::int64_t>(result.items.size()) != result.total) {
    throw Error(fmt::format("{} has {} predictions, test.json {}: {}", file.string(), result.items.size(),
                            result.total, rerun_trial));
  }
}

/// Throws Error unless score and counts are those of the predictions. A score may have been rounded.
void require_agreement(const TrialResult& result, const std::filesystem::path& file) {
  double sum = 0.0;
  for (const double score : result.item_scores) {
    if (!(score >= 0.0 && score <= 1.0))
      throw Error(fmt::format("{}: a prediction's score is {}, not in [0, 1]", file.string(), score));
    sum += score;
  }
  const double mean = result.total > 0 ? sum / static_cast<double>(result.total) : 0.0;
  if (result.total < 1 || std::abs(mean - result.score) > 1e-3 ||
      (result.correct && std::abs(static_cast<double>(*result.correct) - sum) > 1e-6)) {
    throw Error(fmt::format("{}: score, correct and total are not those of its predictions: {}",
                            file.string(), rerun_trial));
  }
}

TaskResult test(const SweepFolder& folder, const SweepTrial& trial, bool quiet) {
  const TrainOptions& options = trial.options;
  ModelSource source;
  if (trial.trains) {
    source.run = folder.trial(trial.id);
  } else {
    source.model = options.model;
  }
  source.dtype = options.dtype;
  source.base_dtype = options.base_dtype;
  source.quantize_base = options.quantize_base;
  source.tokenizer = options.tokenizer;
  source.threads = options.threads;
  Progress progress(quiet);
  TaskOptions task;
  task.task = options.task;
  task.task_data = options.task_data;
  task.num_train = options.num_train;
  task.num_dev = options.num_dev;
  task.num_test = trial.num_test;
  task.data_seed = options.data_seed.value_or(options.seed);
  task.demonstrations = trial.demonstrations;
  task.bos_token_id = options.bos_token_id;
  task.max_length = options.max_length.value_or(0);
  task.no_share_prefix = options.no_share_prefix;
  task.progress = [&](std::int64_t done, std::int64_t total) {
    progress.update(fmt::format("test {}/{}", done, total), done, total);
  };
  return LanguageModel(source).evaluate_task(task);
}

}  // namespace

void write_trial_result(const SweepFolder& folder, const SweepTrial& trial, const TaskResult& tested,
                        const TrainResult* trained) {
  Json json = trial_json(trial);
  json["metric"] = tested.metric;
  json["score"] = tested.score;
  json["correct"] = tested.correct ? Json(*tested.correct) : Json(nullptr);
  json["total"] = tested.total;
  json["interval"] = {tested.interval_low, tested.interval_high};
  json["official"] = official_json(tested.official);
  json["links"] = trained != nullptr ? trained->links : tested.links;
  json["tested_links"] = tested.links;
  if (trained != nullptr) {
    json["dev_score"] = number_or_null(trained->best_dev_score);
    json["dev_loss"] = number_or_null(trained->best_dev_loss);
    json["steps"] = trained->steps;
    json["trained_parameters"] = trained->trained_parameters;
    json["hf_flos"] = trained->hf_flos;
    json["hf_flos_saved"] = trained->hf_flos_saved;
    json["real_flops"] = trained->real_flops;
    json["seconds"] = trained->seconds;
  }
  require_writable_folder(folder.trial(trial.id));
  write_text_file(folder.predictions(trial.id), predictions_text(tested.predictions));
  write_text_file(folder.test(trial.id), json.dump(2) + "\n");
}

void write_diverged_trial(const SweepFolder& folder, const SweepTrial& trial, const std::string& message) {
  Json json = trial_json(trial);
  json["diverged"] = message;
  require_writable_folder(folder.trial(trial.id));
  write_text_file(folder.test(trial.id), json.dump(2) + "\n");
}

TrialResult read_trial_result(const SweepFolder& folder, const std::string& id) {
  const auto file = folder.test(id);
  const Json json = read_json_file(file);
  const JsonReader reader(json, file.string());
  TrialResult result;
  result.id = reader.string("id");
  if (result.id != id) throw Error(fmt::format("{} is of trial {}", file.string(), result.id));
  result.diverged = !reader.string("diverged", "").empty();
  if (result.diverged) return result;
  result.metric = reader.string("metric");
  result.score = reader.number("score");
  if (reader.has("correct")) result.correct = reader.integer("correct");
  result.total = reader.integer("total");
  if (reader.has("official")) {  // not in files of earlier versions
    const JsonReader official(reader.at("official"), file.string() + ": official");
    for (const auto& member : official.object().items())
      result.official[member.key()] = optional_number(official, member.key());
  }
  result.links = reader.integer("links", 0);
  result.tested_links = reader.integer("tested_links", result.links);
  result.dev_score = optional_number(reader, "dev_score");
  result.dev_loss = optional_number(reader, "dev_loss");
  result.hf_flos = reader.number("hf_flos", 0.0);
  result.hf_flos_saved = reader.number("hf_flos_saved", 0.0);
  result.real_flops = reader.number("real_flops", 0.0);
  result.seconds = reader.number("seconds", 0.0);
  read_predictions(folder.predictions(id), result);
  require_agreement(result, file);
  return result;
}

namespace {

/// Trains (or goes on) and tests; a trial that diverges is finished.
void train_and_test(const SweepFolder& folder, const SweepTrial& trial, bool quiet) {
  if (!trial.trains) {
    write_trial_result(folder, trial, test(folder, trial, quiet), nullptr);
    return;
  }
  TrainOptions options = trial.options;
  options.out = folder.trial(trial.id);
  const bool resume = std::filesystem::exists(RunFolder{options.out}.config());
  const auto stopped = [&] {
    return Error(
        fmt::format("trial {} was stopped by a signal and saved; go on with: cola sweep --out {} --trial {}",
                    trial.id, folder.root.string(), trial.id));
  };
  TrainResult trained;
  try {
    trained = train(options, {.resume = resume, .quiet = quiet});
  } catch (const DivergedError& error) {
    write_diverged_trial(folder, trial, error.what());
    return;
  } catch (const Error&) {
    if (InterruptGuard::pending() != 0) throw stopped();
    throw;
  }
  // Training ends where a signal comes in its last evaluation; the test could take long.
  if (InterruptGuard::pending() != 0) throw stopped();
  write_trial_result(folder, trial, test(folder, trial, quiet), &trained);
}

}  // namespace

void run_trial(const SweepFolder& folder, const SweepTrial& trial, bool quiet) {
  const FileLock lock(folder.trial_lock(trial.id),
                      fmt::format("trial {} is being run by another process", trial.id), lock_patience);
  if (folder.finished(trial.id)) return;
  if (std::filesystem::exists(folder.trial(trial.id))) remove_leftovers(folder.trial(trial.id));
  std::filesystem::remove(folder.error(trial.id));  // of a try before, which must not stand in the way
  try {
    train_and_test(folder, trial, quiet);
  } catch (const std::exception& error) {
    if (InterruptGuard::pending() == 0) {  // else it goes on where it stopped
      std::filesystem::create_directories(folder.trial(trial.id));
      write_text_file(folder.error(trial.id), fmt::format("{}\n", error.what()));
    }
    throw;
  }
}

}  // namespace cola
