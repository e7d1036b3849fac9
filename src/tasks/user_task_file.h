#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/prompt_template.h"
#include "tasks/task.h"

namespace cola {

/// What a user's TOML file says, checked.
struct UserTaskFile {
  std::string name;
  std::string train, validation;  ///< data files, .jsonl or .tsv, as written
  PromptTemplate prompt;
  std::vector<PromptTemplate> candidates;     ///< appended to the prompt; one of these three is not empty
  std::vector<std::string> candidate_fields;  ///< fields whose values are appended
  std::string answers;                        ///< field of the gold strings of generation
  std::string label;                          ///< field that tells the right candidate
  std::vector<std::string> labels;            ///< its values, in the candidates' order; may be empty
  TaskMetric metric = TaskMetric::accuracy;
  TaskObjective objective = TaskObjective::candidates;
  std::int64_t train_examples = 1000, dev_examples = 500, test_examples = 1000;
};

/// Throws Error for a file that cannot be read or is not TOML, UsageError naming file and key for everything
/// else: unknown keys, missing ones, wrong types, keys that exclude each other.
[[nodiscard]] UserTaskFile read_user_task_file(const std::filesystem::path& file);

}  // namespace cola
