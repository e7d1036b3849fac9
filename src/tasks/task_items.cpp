#include "tasks/task_items.h"

#include <utility>

#include "tasks/task_text.h"

namespace cola {

TaskItem choice_item(const std::string& prompt, std::span<const std::string> options,
                     std::vector<std::string> names, std::int32_t correct, std::string id) {
  TaskItem item;
  item.prompt = strip_spaces(prompt);
  for (const std::string& option : options) item.candidates.emplace_back(strip_spaces(prompt + option));
  item.candidate_names = std::move(names);
  item.correct = {correct};
  item.answered = item.candidates.at(static_cast<std::size_t>(correct));
  item.id = std::move(id);
  return item;
}

TaskItem choice_item(const std::string& prompt, std::vector<std::string> options, std::int32_t correct,
                     std::string id) {
  const std::vector<std::string> texts = options;
  return choice_item(prompt, texts, std::move(options), correct, std::move(id));
}

TaskItem generation_item(const std::string& prompt, std::vector<std::string> answers, std::string id) {
  TaskItem item;
  item.prompt = strip_spaces(prompt);
  item.answered = strip_spaces(prompt + " " + answers.at(0) + "\n");
  item.answers = std::move(answers);
  item.id = std::move(id);
  return item;
}

}  // namespace cola
