#include "data/prompt_template.h"

#include <fmt/format.h>

#include <utility>

#include "core/error.h"

namespace cola {

PromptTemplate::PromptTemplate(std::string_view text, const std::string& where) {
  std::string literal;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c != '{' && c != '}') {
      literal += c;
      continue;
    }
    if (i + 1 < text.size() && text[i + 1] == c) {
      literal += c;
      ++i;
      continue;
    }
    const std::size_t end = text.find_first_of("{}", i + 1);
    if (c == '}' || end == std::string_view::npos || text[end] != '}' || end == i + 1) {
      throw UsageError(fmt::format(
          "{}: the '{}' at byte {} opens no {{field}}: write '{}{}' for the character", where, c, i, c, c));
    }
    parts_.push_back({std::exchange(literal, {}), false});
    parts_.push_back({std::string(text.substr(i + 1, end - i - 1)), true});
    i = end;
  }
  parts_.push_back({std::move(literal), false});
}

std::string PromptTemplate::fill(const std::function<std::string(const std::string&)>& value_of) const {
  std::string text;
  for (const Part& part : parts_) text += part.field ? value_of(part.text) : part.text;
  return text;
}

}  // namespace cola
