#include "tasks/drop_metric.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <set>

#include "tasks/answer_text.h"
#include "tasks/task_text.h"
#include "text/characters.h"
#include "text/letter_case.h"
#include "text/utf8.h"

namespace cola {
namespace {

using Words = std::set<std::string>;

/// With ASCII's digits in place of other scripts'.
std::string with_plain_digits(std::string_view text) {
  std::string result;
  for (std::size_t position = 0; position < text.size();) {
    const Utf8Step step = utf8_step(text, position);
    if (const std::int32_t digit = decimal_digit_value(step.code_point); digit >= 0) {
      result += static_cast<char>('0' + digit);
    } else {
      result += text.substr(position, step.length);
    }
    position += step.length;
  }
  return result;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Takes the underscores out that stand between two digits; false where there are others.
bool remove_underscores(std::string& text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') continue;
    if (i == 0 || i + 1 == text.size() || !is_digit(text[i - 1]) || !is_digit(text[i + 1])) return false;
  }
  std::erase(text, '_');
  return true;
}

/// What Python's float() makes of a word in lower case; none where it raises.
std::optional<double> number_in(std::string_view word) {
  std::string text = with_plain_digits(strip_whitespace(word));
  if (!remove_underscores(text)) return std::nullopt;
  std::string_view magnitude = text;
  if (magnitude.starts_with('+') || magnitude.starts_with('-')) magnitude.remove_prefix(1);
  const bool named = magnitude == "inf" || magnitude == "infinity" || magnitude == "nan";
  if (!named && magnitude.find_first_not_of("0123456789.e+-") != std::string_view::npos) return std::nullopt;
  if (!named && (magnitude.empty() || (!is_digit(magnitude[0]) && magnitude[0] != '.'))) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  return end == text.c_str() + text.size() ? std::optional(value) : std::nullopt;
}

/// Python's str() of a number.
std::string number_text(double value) {
  if (std::isnan(value)) return "nan";
  std::string text = fmt::format("{}", value);
  return text.find_first_not_of("-0123456789") == std::string::npos ? text + ".0" : text;
}

std::string normalized_word(std::string_view word) {
  std::string text = lower_case(word);
  if (!number_in(text)) text = without_punctuation(text);
  if (const auto number = number_in(text)) text = number_text(*number);
  return with_single_spaces(without_articles(text));
}

Words words_of(const std::string& normalized) {
  const auto words = split_whitespace(normalized);
  return {words.begin(), words.end()};
}

std::size_t common_count(const Words& a, const Words& b) {
  return static_cast<std::size_t>(
      std::ranges::count_if(a, [&b](const std::string& word) { return b.contains(word); }));
}

Words numbers_of(const Words& words) {
  Words numbers;
  std::ranges::copy_if(words, std::inserter(numbers, numbers.end()),
                       [](const std::string& word) { return number_in(word).has_value(); });
  return numbers;
}

double f1_of(const Words& answer, const Words& gold) {
  if (const Words numbers = numbers_of(gold); !numbers.empty() && common_count(numbers, answer) == 0)
    return 0.0;
  const auto common = static_cast<double>(common_count(answer, gold));
  const double precision = answer.empty() ? 1.0 : common / static_cast<double>(answer.size());
  const double recall = gold.empty() ? 1.0 : common / static_cast<double>(gold.size());
  return precision + recall == 0.0 ? 0.0 : 2.0 * precision * recall / (precision + recall);
}

DropScore score_against(const std::string& answer, const std::vector<std::string>& spans) {
  double best = 0.0;
  for (const std::string& span : spans)
    best = std::max(best, f1_of(words_of(answer), words_of(drop_normalized(span))));
  const double mean = best / static_cast<double>(spans.size());
  return {.exact_match = spans.size() == 1 && answer == drop_normalized(spans[0]) ? 1.0 : 0.0,
          .f1 = std::rint(100.0 * mean) / 100.0};
}

}  // namespace

std::string drop_normalized(std::string_view span) {
  std::vector<std::string> words;
  while (true) {
    const std::size_t end = span.find_first_of(" -");
    if (std::string word = normalized_word(span.substr(0, end)); !word.empty())
      words.push_back(std::move(word));
    if (end == std::string_view::npos) break;
    span.remove_prefix(end + 1);
  }
  return fmt::format("{}", fmt::join(words, " "));
}

DropScore drop_score(std::string_view answer, std::span<const std::vector<std::string>> annotations) {
  const std::string normalized = drop_normalized(answer);
  DropScore best;
  for (const std::vector<std::string>& spans : annotations) {
    if (spans.empty() || strip_whitespace(spans[0]).empty()) continue;
    const DropScore score = score_against(normalized, spans);
    best.exact_match = std::max(best.exact_match, score.exact_match);
    best.f1 = std::max(best.f1, score.f1);
  }
  return best;
}

}  // namespace cola
