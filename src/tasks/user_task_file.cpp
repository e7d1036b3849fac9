#include "tasks/user_task_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "core/error.h"
#include "io/files.h"
#include "io/printable.h"

namespace cola {
namespace {

constexpr std::array<std::string_view, 14> known_keys{
    "name",   "train",   "validation", "prompt",    "candidates",     "candidates-from", "label",
    "labels", "answers", "metric",     "objective", "train-examples", "dev-examples",    "test-examples"};

/// Members of the table with checked types; errors name file and key.
class KeyReader {
 public:
  KeyReader(const toml::table& table, std::string file) : table_(table), file_(std::move(file)) {}

  [[nodiscard]] UsageError error(std::string_view key, std::string_view what) const {
    return UsageError(fmt::format("{}: '{}' {}", file_, key, what));
  }
  [[nodiscard]] bool has(std::string_view key) const { return table_.contains(key); }
  [[nodiscard]] std::string where(std::string_view key) const { return fmt::format("{}: '{}'", file_, key); }

  [[nodiscard]] std::string string(std::string_view key) const {
    const auto value = table_[key].value_exact<std::string>();
    if (!has(key)) throw error(key, "is missing");
    if (!value || value->empty()) throw error(key, "must be a string that is not empty");
    return *value;
  }

  [[nodiscard]] std::vector<std::string> strings(std::string_view key, std::size_t at_least) const {
    std::vector<std::string> values;
    const toml::array* array = table_[key].as_array();
    if (array == nullptr) throw error(key, "must be a list of strings");
    for (const toml::node& node : *array) {
      const auto value = node.value_exact<std::string>();
      if (!value || value->empty()) throw error(key, "must be a list of strings that are not empty");
      values.push_back(*value);
    }
    if (values.size() < at_least) throw error(key, fmt::format("must have at least {} entries", at_least));
    return values;
  }

  [[nodiscard]] std::int64_t count(std::string_view key, std::int64_t fallback) const {
    if (!has(key)) return fallback;
    const auto value = table_[key].value_exact<std::int64_t>();
    if (!value || *value < 0 || *value > std::int64_t{1} << 32)
      throw error(key, "must be a number from 0 to 2^32");
    return *value;
  }

 private:
  const toml::table& table_;
  std::string file_;
};

toml::table parse(const std::filesystem::path& file) {
  constexpr std::size_t limit = std::size_t{1} << 20;
  const std::string text = read_text_file(file, limit);
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    throw UsageError(fmt::format("{}:{}: not valid TOML: {}", file.string(), error.source().begin.line,
                                 printable(error.description())));
  }
}

void refuse_unknown_keys(const toml::table& table, const std::string& file) {
  for (const auto& [key, value] : table) {
    if (std::find(known_keys.begin(), known_keys.end(), key.str()) == known_keys.end()) {
      throw UsageError(fmt::format("{}: unknown key '{}': a task has {}", file, printable(key.str()),
                                   fmt::join(known_keys, ", ")));
    }
  }
}

void read_candidates(const KeyReader& keys, UserTaskFile& task) {
  if (int{keys.has("candidates")} + int{keys.has("candidates-from")} + int{keys.has("answers")} != 1) {
    throw keys.error("candidates", "or 'candidates-from' or 'answers' is needed: one of the three");
  }
  if (keys.has("answers")) {
    task.answers = keys.string("answers");
    for (const char* key : {"label", "labels"}) {
      if (keys.has(key)) throw keys.error(key, "is of candidates: 'answers' has the gold strings themselves");
    }
    return;
  }
  task.label = keys.string("label");
  if (keys.has("candidates")) {
    for (const std::string& text : keys.strings("candidates", 2)) {
      task.candidates.emplace_back(text, keys.where("candidates"));
    }
  } else {
    task.candidate_fields = keys.strings("candidates-from", 2);
  }
  const std::size_t count = std::max(task.candidates.size(), task.candidate_fields.size());
  if (!keys.has("labels")) return;
  task.labels = keys.strings("labels", 1);
  if (task.labels.size() != count) {
    throw keys.error(
        "labels", fmt::format("has {} entries for {} candidates: one for each", task.labels.size(), count));
  }
}

void read_metric_and_objective(const KeyReader& keys, UserTaskFile& task) {
  const bool generates = !task.answers.empty();
  task.metric = generates ? TaskMetric::f1 : TaskMetric::accuracy;
  if (keys.has("metric")) {
    const std::string name = keys.string("metric");
    if (name != "accuracy" && name != "f1") throw keys.error("metric", R"(must be "accuracy" or "f1")");
    task.metric = name == "f1" ? TaskMetric::f1 : TaskMetric::accuracy;
  }
  task.objective = generates ? TaskObjective::language_model : TaskObjective::candidates;
  if (!keys.has("objective")) return;
  const std::string name = keys.string("objective");
  if (name != "candidates" && name != "language_model") {
    throw keys.error("objective", R"(must be "candidates" or "language_model")");
  }
  if (generates && name == "candidates") {
    throw keys.error("objective", R"(must be "language_model" with 'answers': there are no candidates)");
  }
  task.objective = name == "candidates" ? TaskObjective::candidates : TaskObjective::language_model;
}

}  // namespace

UserTaskFile read_user_task_file(const std::filesystem::path& file) {
  const toml::table table = parse(file);
  refuse_unknown_keys(table, file.string());
  const KeyReader keys(table, file.string());
  UserTaskFile task;
  task.name = keys.has("name") ? keys.string("name") : file.stem().string();
  task.train = keys.string("train");
  task.validation = keys.string("validation");
  task.prompt = PromptTemplate(keys.string("prompt"), keys.where("prompt"));
  read_candidates(keys, task);
  read_metric_and_objective(keys, task);
  task.train_examples = keys.count("train-examples", task.train_examples);
  task.dev_examples = keys.count("dev-examples", task.dev_examples);
  task.test_examples = keys.count("test-examples", task.test_examples);
  return task;
}

}  // namespace cola
