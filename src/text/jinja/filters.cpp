#include <fmt/format.h>
#include <unicode/uchar.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "text/jinja/arguments.h"
#include "text/jinja/builtins.h"
#include "text/jinja/json_text.h"
#include "text/jinja/sequence_filters.h"
#include "text/jinja/text_operations.h"

// The filters of single values: x | NAME(...).
namespace cola::jinja {
namespace {

/// As a text, which stays marked safe.
template <Text (*change)(const Text&)>
Value changed(const Value& subject, const CallArguments& given) {
  take_none("a filter", given);
  return change(text_of(subject));
}

Value trim(const Value& subject, const CallArguments& given) {
  const Arguments<1> arguments("trim", given, {"chars"});
  const Text made = subject.text() == nullptr ? text_of(subject) : Text();
  const Text& text = subject.text() == nullptr ? made : *subject.text();
  const bool is_given = arguments[0] != nullptr && !arguments[0]->is_none();
  const auto [begin, end] = stripped(text.bytes, Side::both, is_given ? &arguments.text(0).bytes : nullptr);
  return text.slice(begin, end);
}

Value string(const Value& subject, const CallArguments& given) {
  take_none("string", given);
  return text_of(subject);
}

Value safe(const Value& subject, const CallArguments& given) {
  take_none("safe", given);
  Text text = text_of(subject);
  text.is_markup = true;
  return text;
}

Value escape(const Value& subject, const CallArguments& given) {
  take_none("escape", given);
  const Text text = text_of(subject);
  return text.is_markup ? text : escaped_for_html(text);
}

Text without_mark(Text text) {
  text.is_markup = false;
  return text;
}

Value replace(const Value& subject, const CallArguments& given) {
  const Arguments<3> arguments("replace", given, {"old", "new", "count"});
  const bool counts = arguments[2] != nullptr && !arguments[2]->is_none();
  return replaced(without_mark(text_of(subject)), text_of(arguments.required(0)).bytes,
                  without_mark(text_of(arguments.required(1))), counts ? arguments.integer(2, -1) : -1);
}

Value fallback(const Value& subject, const CallArguments& given) {
  const Arguments<2> arguments("default", given, {"default_value", "boolean"});
  const bool is_kept = !subject.is_undefined() && (!arguments.truth(1, false) || is_true(subject));
  if (is_kept) return subject;
  return arguments[0] != nullptr ? *arguments[0] : Value(Text());
}

/// As jinja2: words begin after white space and opening brackets and hyphens.
Text title(const Text& text) {
  Text result;
  result.is_markup = text.is_markup;
  const auto is_border = [&](std::size_t at) {
    const char32_t c = code_point_at(text.bytes, at);
    return is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
  };
  for (std::size_t at = 0; at < text.bytes.size();) {
    std::size_t end = next_code_point(text.bytes, at);
    const Text first = text.slice(at, end);
    const bool is_word = !is_border(at);
    result.append(is_word ? upper(first) : first);
    at = end;
    while (is_word && end < text.bytes.size() && !is_border(end)) end = next_code_point(text.bytes, end);
    result.append(lower(text.slice(at, end)));
    at = end;
  }
  return result;
}

/// What a width of an indentation, or a text in its place, stands for.
std::string indentation(const Value& given, std::int64_t width) {
  if (given.text() != nullptr) return given.text()->bytes;
  constexpr std::int64_t most = 1000;
  if (width > most) throw Error(Error::Kind::exhausted, "an indentation of more than 1000");
  return std::string(static_cast<std::size_t>(std::max<std::int64_t>(width, 0)), ' ');
}

Value indent(const Value& subject, const CallArguments& given) {
  const Arguments<3> arguments("indent", given, {"width", "first", "blank"});
  const Value width = arguments[0] != nullptr ? *arguments[0] : Value(std::int64_t{4});
  const Text by(indentation(width, width.text() != nullptr ? 0 : arguments.integer(0, 4)));
  Text text = text_of(subject);
  const bool is_markup = text.is_markup;
  text.append(Text("\n"));  // as jinja2, which thus keeps a last line that is empty
  std::vector<Text> lines = lines_of(text, false);
  const bool blank = arguments.truth(2, false);
  Text result;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) result.append(Text("\n"));
    const bool is_indented = i == 0 ? arguments.truth(1, false) : blank || !lines[i].bytes.empty();
    if (is_indented) result.append(by);
    result.append(lines[i]);
  }
  result.is_markup = is_markup;
  return result;
}

JsonStyle json_style(const Arguments<4>& arguments) {
  JsonStyle style;
  style.ensure_ascii = arguments.truth(0, false);
  style.sort_keys = arguments.truth(3, false);
  if (arguments[1] != nullptr && !arguments[1]->is_none()) {
    style.has_indent = true;
    style.item_separator = std::string(1, ',');
    style.indent = indentation(*arguments[1], arguments[1]->text() != nullptr ? 0 : arguments.integer(1, 0));
  }
  if (arguments[2] != nullptr && !arguments[2]->is_none()) {
    const std::vector<Value> separators = items_of(*arguments[2]);
    if (separators.size() != 2) fail("tojson() takes two separators");
    style.item_separator = text_of(separators[0]).bytes;
    style.key_separator = text_of(separators[1]).bytes;
  }
  return style;
}

Value to_json(const Value& subject, const CallArguments& given) {
  const Arguments<4> arguments("tojson", given, {"ensure_ascii", "indent", "separators", "sort_keys"});
  return json_text(subject, json_style(arguments));
}

/// A number as Python's int() or float() reads it from a text, without the white space around it; undefined
/// if it is none. Throws Error for what Python reads and this does not: 1_000, digits of other scripts.
Value number_of(const Text& text) {
  const auto [begin, end] = stripped(text.bytes, Side::both);
  std::string_view digits = std::string_view(text.bytes).substr(begin, end - begin);
  for (std::size_t at = 0; at < digits.size(); at = next_code_point(digits, at)) {
    const char32_t c = code_point_at(digits, at);
    const bool is_foreign = c >= 0x80 && u_isdigit(static_cast<UChar32>(c)) != 0;
    const bool is_grouped = c == '_' && u_isdigit(digits.front()) != 0;
    if (is_foreign || is_grouped)
      throw Error(Error::Kind::unknown, fmt::format("the number '{}' is not known here", digits));
  }
  const bool has_plus = digits.starts_with('+') && digits.size() > 1 && digits[1] != '-';
  if (has_plus) digits.remove_prefix(1);
  const char* first = digits.data();
  const char* last = first + digits.size();
  std::int64_t integer = 0;
  const auto whole = std::from_chars(first, last, integer);
  double real = 0.0;
  const auto parsed = std::from_chars(first, last, real);
  if (parsed.ptr != last || digits.empty()) return Value();
  if (whole.ec == std::errc() && whole.ptr == last) return integer;
  const bool is_too_large = whole.ptr == last || parsed.ec != std::errc();
  if (is_too_large)
    throw Error(Error::Kind::unknown, fmt::format("the number '{}' is not known here", digits));
  return real;
}

Value to_integer(const Value& subject, const CallArguments& given) {
  const Arguments<2> arguments("int", given, {"default", "base"});
  if (arguments.integer(1, 10) != 10)
    throw Error(Error::Kind::unknown, "int() of another base is not known here");
  if (subject.is<LargeInteger>()) return subject;
  if (subject.is_undefined()) fail(subject.get<Undefined>()->what());
  const Value number = subject.text() != nullptr ? number_of(*subject.text()) : subject;
  std::int64_t integer = 0;
  if (as_integer(number, integer)) return integer;
  const auto* real = number.get<double>();
  if (real == nullptr || !std::isfinite(*real))
    return arguments[0] != nullptr ? *arguments[0] : Value(std::int64_t{0});
  if (std::fabs(*real) >= 9e18)
    throw Error(Error::Kind::unknown, "int() of more than 64 bits is not known here");
  return static_cast<std::int64_t>(*real);
}

Value to_real(const Value& subject, const CallArguments& given) {
  const Arguments<1> arguments("float", given, {"default"});
  if (subject.is_undefined()) fail(subject.get<Undefined>()->what());
  if (subject.is<LargeInteger>())
    throw Error(Error::Kind::unknown, "float() of more than 64 bits is not known here");
  const Value number = subject.text() != nullptr ? number_of(*subject.text()) : subject;
  double real = 0.0;
  if (as_real(number, real)) return real;
  return arguments[0] != nullptr ? *arguments[0] : Value(0.0);
}

Value magnitude(const Value& subject, const CallArguments& given) {
  take_none("abs", given);
  const Value zero = std::int64_t{0};
  double real = 0.0;
  if (!as_real(subject, real)) fail(fmt::format("bad operand type for abs(): '{}'", type_name(subject)));
  if (subject.is<double>()) return std::fabs(real);
  return real < 0.0 ? arithmetic("-", zero, subject) : arithmetic("+", zero, subject);
}

constexpr std::array<std::pair<std::string_view, Filter>, 17> filters = {{
    {"trim", trim},
    {"string", string},
    {"safe", safe},
    {"escape", escape},
    {"e", escape},
    {"lower", changed<lower>},
    {"upper", changed<upper>},
    {"capitalize", changed<capitalized>},
    {"title", changed<title>},
    {"replace", replace},
    {"default", fallback},
    {"d", fallback},
    {"indent", indent},
    {"tojson", to_json},
    {"int", to_integer},
    {"float", to_real},
    {"abs", magnitude},
}};

}  // namespace

Filter find_filter(std::string_view name) {
  const auto* found = std::ranges::find(filters, name, &std::pair<std::string_view, Filter>::first);
  return found == filters.end() ? find_sequence_filter(name) : found->second;
}

}  // namespace cola::jinja
