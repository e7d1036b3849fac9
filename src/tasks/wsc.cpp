#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "tasks/builtin_tasks.h"
#include "tasks/task_files.h"
#include "tasks/task_items.h"
#include "tasks/task_text.h"
#include "text/letter_case.h"

namespace cola {
namespace {

/// The corrections of the data set's "fixed" form (Hugging Face super_glue, wsc.fixed) to a span that is not
/// in the text as it stands: the case of the word it points at, no final period, no newline.
std::string fixed_span(const JsonReader& target, const std::string& span, const std::string& text) {
  std::string result = target.string(span + "_text");
  if (result.empty()) throw Error(fmt::format("{}: '{}_text' is empty", target.where(), span));
  if (text.find(result) != std::string::npos) return result;
  // Two subjects with other words between them cannot be corrected.
  if (result == "Kamenev and Zinoviev" || result == "Kamenev, Zinoviev, and Stalin") return result;
  const auto words = split_whitespace(text);
  const std::int64_t index = target.integer(span + "_index");
  if (index < 0 || static_cast<std::size_t>(index) >= words.size()) {
    throw Error(fmt::format("{}: '{}_index' is {}, but the text has {} words", target.where(), span, index,
                            words.size()));
  }
  const std::string word(words[static_cast<std::size_t>(index)]);
  const bool lower = with_first_lower(word) == word && with_first_upper(word) != word;
  result = lower ? with_first_lower(result) : with_first_upper(result);
  result.erase(result.find_last_not_of('.') + 1);
  std::replace(result.begin(), result.end(), '\n', ' ');
  return result;
}

TaskItem item(const JsonReader& row, std::string id) {
  const std::string text = row.string("text");
  const JsonReader target(row.at("target"), row.where() + ": target");
  return choice_item(
      fmt::format("{}\nIn the previous sentence, does the pronoun \"{}\" refer to {}? Yes or No?\n", text,
                  lower_case(fixed_span(target, "span2", text)), fixed_span(target, "span1", text)),
      {"No", "Yes"}, boolean_label(row, "label") ? 1 : 0, std::move(id));
}

}  // namespace

Task wsc_task() {
  Task task;
  task.name = "wsc";
  task.folder = "WSC";
  task.read = superglue_reader(item);
  return task;
}

}  // namespace cola
