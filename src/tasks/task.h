#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace cola {

enum class TaskMetric : std::uint8_t { accuracy, f1 };

/// What training minimises: cross-entropy over the candidates' mean log-probabilities, or the language-model
/// loss of the gold answer's tokens.
enum class TaskObjective : std::uint8_t { candidates, language_model };

/// The splits of the official files. Development examples are taken out of `train`; the paper's test examples
/// out of `validation` (tasks/split.h).
enum class TaskSplit : std::uint8_t { train, validation };

/// One example, rendered. Texts are without spaces (newlines stay) at both ends.
struct TaskItem {
  std::string prompt;                   ///< the text without an answer
  std::vector<std::string> candidates;  ///< whole texts, one an answer; none where the answer is generated
  /// What a prediction file calls them: "Yes", an entity, a choice.
  std::vector<std::string> candidate_names;
  std::vector<std::int32_t> correct;  ///< indices of the right candidates
  /// The whole text with the first gold answer: demonstrations, language-model training.
  std::string answered;
  /// Gold strings where the answer is generated; of ReCoRD all answers, of which some may be no candidate.
  std::vector<std::string> answers;
  /// DROP: the answer of each annotator, of one or more spans.
  std::vector<std::vector<std::string>> annotations;
  /// MultiRC: the question that this example is one answer of, and how many answers it has.
  std::string question;
  std::int64_t question_answers = 0;
  std::string id;  ///< the source's own id, or the number of the example in its file
};

/// A task's official scores, by name, each in [0, 1]; none where the examples are too few to tell.
using OfficialScores = std::map<std::string, std::optional<double>>;

/// The official scores of `predictions`, the name of the chosen candidate or the generated answer of each
/// item.
using OfficialMetric = OfficialScores (*)(std::span<const TaskItem> items,
                                          std::span<const std::string> predictions);

/// All examples of a split, in the order of the file in `folder`. Throws Error: a missing file (with where
/// the data set is found), a malformed record (with its place).
using TaskReader = std::function<std::vector<TaskItem>(const std::filesystem::path& folder, TaskSplit split)>;

struct Task {
  std::string name;
  TaskMetric metric = TaskMetric::accuracy;  ///< the paper's
  OfficialMetric official = nullptr;         ///< where the data set's own metric is another
  TaskObjective objective = TaskObjective::candidates;
  bool generates = false;              ///< answered by generation up to a newline, not by choosing
  std::int64_t train_examples = 1000;  ///< how many of each the paper uses, where there are as many
  std::int64_t dev_examples = 500;
  std::int64_t test_examples = 1000;
  /// Where its files lie below a folder of data sets ("SST-2"); absolute for a user's task, so that
  /// `root / folder` is right for both.
  std::filesystem::path folder;
  TaskReader read;
};

/// The paper's 11 tasks, as its tables order them.
[[nodiscard]] const std::vector<std::string>& task_names();

/// A task of task_names(), or a user's own from a TOML file (docs/add-a-task.md): a name that ends in .toml
/// or is an existing file. Throws UsageError that lists the names for an unknown one, Error for a malformed
/// file.
[[nodiscard]] Task find_task(const std::string& name_or_toml_file);

/// find_task(name).folder
[[nodiscard]] std::filesystem::path default_folder(const std::string& name);

}  // namespace cola
