#include <fmt/format.h>

#include <utility>

#include "core/error.h"
#include "io/files.h"
#include "io/printable.h"
#include "tasks/builtin_tasks.h"
#include "tasks/official_metrics.h"
#include "tasks/task_files.h"
#include "tasks/task_items.h"
#include "tasks/task_text.h"

namespace cola {
namespace {

constexpr std::string_view address = "https://allenai.org/data/drop";

/// "day month year" of what is given of the date; empty where nothing is.
std::string date_text(const JsonReader& answer) {
  if (!answer.has("date")) return {};
  const JsonReader date(answer.at("date"), answer.where() + ": date");
  const auto part = [&date](const char* key) {
    return date.has(key) ? scalar_text(date, key) : std::string();
  };
  return std::string(strip_whitespace(fmt::format("{} {} {}", part("day"), part("month"), part("year"))));
}

std::vector<std::string> spans_of(const JsonReader& answer) {
  std::vector<std::string> spans;
  if (!answer.has("spans")) return spans;
  for (const Json& span : array_member(answer, "spans")) {
    if (!span.is_string()) throw Error(fmt::format("{}: a span must be a string", answer.where()));
    spans.push_back(span.get<std::string>());
  }
  return spans;
}

std::string number_text(const JsonReader& answer) {
  return answer.has("number") ? scalar_text(answer, "number") : std::string();
}

/// Adds an answer's strings as the paper's data have them: its number, else its date, else each of its spans.
void add_answer(const JsonReader& answer, std::vector<std::string>& answers) {
  std::string text = number_text(answer);
  if (text.empty()) text = date_text(answer);
  if (!text.empty()) {
    answers.push_back(std::move(text));
    return;
  }
  for (std::string& span : spans_of(answer))
    if (!span.empty()) answers.push_back(std::move(span));
}

/// An answer as the official evaluator has it: its number, else its spans, else its date.
std::vector<std::string> annotation_of(const JsonReader& answer) {
  if (std::string number = number_text(answer); !number.empty()) return {std::move(number)};
  if (std::vector<std::string> spans = spans_of(answer); !spans.empty()) return spans;
  return {date_text(answer)};
}

/// Gold strings: of training the answer's, of validation all validated answers' one after the other. (Files
/// with no validated answers, such as a part of the training file, have the answer alone.)
std::vector<std::string> gold_answers(const JsonReader& question, TaskSplit split) {
  std::vector<std::string> answers;
  if (split == TaskSplit::train || !question.has("validated_answers")) {
    add_answer(JsonReader(question.at("answer"), question.where() + ": answer"), answers);
    return answers;
  }
  for (const Json& answer : array_member(question, "validated_answers")) {
    add_answer(JsonReader(answer, question.where() + ": validated answer"), answers);
  }
  return answers;
}

/// The answer and all validated ones.
std::vector<std::vector<std::string>> annotations_of(const JsonReader& question) {
  std::vector<std::vector<std::string>> annotations;
  if (question.has("answer"))
    annotations.push_back(annotation_of(JsonReader(question.at("answer"), question.where() + ": answer")));
  if (!question.has("validated_answers")) return annotations;
  for (const Json& answer : array_member(question, "validated_answers"))
    annotations.push_back(annotation_of(JsonReader(answer, question.where() + ": validated answer")));
  return annotations;
}

/// Adds the passage's questions that have an answer.
void add_passage(const JsonReader& passage, const std::string& passage_id, TaskSplit split,
                 std::vector<TaskItem>& items) {
  const std::string text = passage.string("passage");
  std::size_t number = 0;
  for (const Json& entry : array_member(passage, "qa_pairs")) {
    const JsonReader question(entry, fmt::format("{}, question {}", passage.where(), number));
    std::vector<std::string> answers = gold_answers(question, split);
    const std::string words = question.string("question");
    if (!answers.empty()) {
      items.push_back(generation_item(
          fmt::format("Passage: {}\nQuestion: {}\nAnswer:", text, strip_whitespace(words)),
          std::move(answers), question.string("query_id", fmt::format("{}-{}", passage_id, number))));
      items.back().annotations = annotations_of(question);
    }
    ++number;
  }
}

std::vector<TaskItem> read(const std::filesystem::path& folder, TaskSplit split) {
  const std::filesystem::path file = find_data_file(
      folder, {split == TaskSplit::train ? "drop_dataset_train.json" : "drop_dataset_dev.json"}, address);
  std::vector<std::string> ids;  // in the file's order, which the random subsets count by
  const Json json = parse_json_with_key_order(read_text_file(file), file.string(), ids);
  const JsonReader passages(json, file.string());
  std::vector<TaskItem> items;
  for (const std::string& id : ids) {
    const JsonReader passage(passages.at(id), fmt::format("{}: passage {}", file.string(), printable(id)));
    add_passage(passage, id, split, items);
  }
  if (items.empty()) throw Error(fmt::format("{}: no examples in it", file.string()));
  return items;
}

}  // namespace

Task drop_task() {
  Task task;
  task.name = "drop";
  task.folder = "DROP";
  task.metric = TaskMetric::f1;
  task.official = drop_scores;
  task.objective = TaskObjective::language_model;
  task.generates = true;
  task.read = read;
  return task;
}

}  // namespace cola
