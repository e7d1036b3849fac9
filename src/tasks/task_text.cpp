#include "tasks/task_text.h"

#include <algorithm>

#include "text/characters.h"
#include "text/letter_case.h"
#include "text/utf8.h"

namespace cola {
namespace {

std::string with_first(std::string_view text, std::string (*change)(std::string_view)) {
  if (text.empty()) return {};
  const std::size_t length = utf8_step(text, 0).length;
  return change(text.substr(0, length)) + std::string(text.substr(length));
}

}  // namespace

std::string_view strip_spaces(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(' ');
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

std::string_view strip_left_whitespace(std::string_view text) {
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text, 0);
    if (!is_whitespace(step.code_point)) break;
    text.remove_prefix(step.length);
  }
  return text;
}

std::string_view strip_right_whitespace(std::string_view text) {
  std::size_t end = 0;
  for (std::size_t position = 0; position < text.size();) {
    const Utf8Step step = utf8_step(text, position);
    position += step.length;
    if (!is_whitespace(step.code_point)) end = position;
  }
  return text.substr(0, end);
}

std::string_view strip_whitespace(std::string_view text) {
  return strip_right_whitespace(strip_left_whitespace(text));
}

std::vector<std::string_view> split_whitespace(std::string_view text) {
  std::vector<std::string_view> words;
  std::size_t begin = 0;
  for (std::size_t position = 0; position < text.size();) {
    const Utf8Step step = utf8_step(text, position);
    if (is_whitespace(step.code_point)) {
      if (position > begin) words.push_back(text.substr(begin, position - begin));
      begin = position + step.length;
    }
    position += step.length;
  }
  if (text.size() > begin) words.push_back(text.substr(begin));
  return words;
}

std::string with_first_upper(std::string_view text) { return with_first(text, upper_case); }

std::string with_first_lower(std::string_view text) { return with_first(text, lower_case); }

}  // namespace cola
