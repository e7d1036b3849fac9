#include "tasks/answer_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tasks/task_text.h"
#include "text/characters.h"
#include "text/utf8.h"

namespace cola {
namespace {

bool is_punctuation(char c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

bool is_article(std::string_view word) { return word == "a" || word == "an" || word == "the"; }

}  // namespace

std::string without_punctuation(std::string_view text) {
  std::string result(text);
  std::erase_if(result, is_punctuation);
  return result;
}

std::string without_articles(std::string_view text) {
  std::string result;
  std::string word;
  const auto end_word = [&] {
    result += is_article(word) ? " " : word;
    word.clear();
  };
  for (std::size_t position = 0; position < text.size();) {
    const Utf8Step step = utf8_step(text, position);
    const std::string_view character = text.substr(position, step.length);
    position += step.length;
    if (is_word_character(step.code_point)) {
      word += character;
      continue;
    }
    end_word();
    result += character;
  }
  end_word();
  return result;
}

std::string with_single_spaces(std::string_view text) {
  return fmt::format("{}", fmt::join(split_whitespace(text), " "));
}

}  // namespace cola
