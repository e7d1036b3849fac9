#include <fmt/format.h>

#include <array>
#include <utility>

#include "core/error.h"
#include "tasks/builtin_tasks.h"
#include "tasks/task_files.h"
#include "tasks/task_items.h"
#include "tasks/task_text.h"
#include "text/letter_case.h"

namespace cola {
namespace {

/// The premise without its final period, and the word that leads to the choice.
std::string prompt_of(const JsonReader& row) {
  const std::string premise = row.string("premise");
  std::string_view text = strip_right_whitespace(premise);
  if (text.ends_with('.')) text.remove_suffix(1);
  const std::string question = row.string("question");
  if (question != "effect" && question != "cause") {
    throw Error(fmt::format("{}: 'question' must be \"effect\" or \"cause\"", row.where()));
  }
  return fmt::format("{} {}", text, question == "effect" ? "so" : "because");
}

/// A choice as it goes on in mid-sentence: its first word in lower case, unless it is "I".
std::string continued(const std::string& choice) {
  const std::string word = choice.substr(0, choice.find(' '));
  return " " + (word == "I" ? word : lower_case(word)) + choice.substr(word.size());
}

TaskItem item(const JsonReader& row, std::string id) {
  constexpr std::array<std::string_view, 2> labels{"choice1", "choice2"};
  const std::vector<std::string> choices{row.string("choice1"), row.string("choice2")};
  const std::vector<std::string> options{continued(choices[0]), continued(choices[1])};
  return choice_item(prompt_of(row), options, choices, label_index(row, "label", labels), std::move(id));
}

}  // namespace

Task copa_task() {
  Task task;
  task.name = "copa";
  task.folder = "COPA";
  task.read = superglue_reader(item);
  task.dev_examples = 100;
  task.objective = TaskObjective::language_model;
  return task;
}

}  // namespace cola
