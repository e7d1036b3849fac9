#include "text/jinja/text_methods.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "text/jinja/arguments.h"
#include "text/jinja/builtins.h"
#include "text/jinja/text_operations.h"

namespace cola::jinja {
namespace {

template <Text (*change)(const Text&)>
Value changed(const Text& text, const CallArguments& given) {
  take_none("a method of str", given);
  return change(text);
}

template <Side side>
Value strip(const Text& text, const CallArguments& given) {
  const Arguments<1> arguments("strip", given, {"chars"});
  const bool is_given = arguments[0] != nullptr && !arguments[0]->is_none();
  const std::string* characters = is_given ? &arguments.text(0).bytes : nullptr;
  const auto [begin, end] = stripped(text.bytes, side, characters);
  return text.slice(begin, end);
}

template <Side side>
Value split_by(const Text& text, const CallArguments& given) {
  const Arguments<2> arguments("split", given, {"sep", "maxsplit"});
  std::optional<Text> separator;
  if (arguments[0] != nullptr && !arguments[0]->is_none()) separator = arguments.text(0);
  if (separator && separator->bytes.empty()) fail("empty separator");
  List parts;
  for (Text& part : split(text, separator, arguments.integer(1, -1), side))
    parts.items.emplace_back(std::move(part));
  return parts;
}

Value split_lines(const Text& text, const CallArguments& given) {
  const Arguments<1> arguments("splitlines", given, {"keepends"});
  List lines;
  for (Text& line : lines_of(text, arguments.truth(0, false))) lines.items.emplace_back(std::move(line));
  return lines;
}

/// Whether the text has one of some texts at an end.
template <bool at_end>
Value has_at(const Text& text, const CallArguments& given) {
  const Arguments<1> arguments(at_end ? "endswith" : "startswith", given, {"prefix"});
  const auto has = [&](const Text& part) {
    return at_end ? text.bytes.ends_with(part.bytes) : text.bytes.starts_with(part.bytes);
  };
  const List* several = arguments.required(0).list();
  if (several == nullptr || !several->is_tuple()) return has(arguments.text(0));
  return std::ranges::any_of(several->items, [&](const Value& item) {
    if (item.text() == nullptr) fail(fmt::format("startswith() takes a str, not a {}", type_name(item)));
    return has(*item.text());
  });
}

template <bool at_end>
Value remove_at(const Text& text, const CallArguments& given) {
  const Text& part = Arguments<1>("removeprefix", given, {"prefix"}).text(0);
  const std::size_t size = text.bytes.size();
  if (at_end) return text.slice(0, text.bytes.ends_with(part.bytes) ? size - part.bytes.size() : size);
  return text.slice(text.bytes.starts_with(part.bytes) ? part.bytes.size() : 0, size);
}

Value replace(const Text& text, const CallArguments& given) {
  const Arguments<3> arguments("replace", given, {"old", "new", "count"});
  const Text& with = arguments.text(1);
  const bool escapes = text.is_markup && !with.is_markup;
  return replaced(text, arguments.text(0).bytes, escapes ? escaped_for_html(with) : with,
                  arguments.integer(2, -1));
}

Value join(const Text& text, const CallArguments& given) {
  const Arguments<1> arguments("join", given, {"iterable"});
  std::vector<Text> parts;
  for (const Value& item : items_of(arguments.required(0))) {
    if (item.text() == nullptr)
      fail(fmt::format("sequence item: expected str instance, {} found", type_name(item)));
    if (text.is_markup || item.text()->is_markup)
      throw Error(Error::Kind::unknown, "join() of a text marked safe is not known here");
    parts.push_back(*item.text());
  }
  return joined(text, parts);
}

template <bool from_end>
Value find(const Text& text, const CallArguments& given) {
  const Text& part = Arguments<1>("find", given, {"sub"}).text(0);
  const std::size_t found = from_end ? text.bytes.rfind(part.bytes) : text.bytes.find(part.bytes);
  if (found == std::string::npos) return std::int64_t{-1};
  return static_cast<std::int64_t>(code_point_count(std::string_view(text.bytes).substr(0, found)));
}

Value count(const Text& text, const CallArguments& given) {
  const std::string& part = Arguments<1>("count", given, {"sub"}).text(0).bytes;
  if (part.empty()) return static_cast<std::int64_t>(code_point_count(text.bytes)) + 1;
  std::int64_t occurrences = 0;
  for (std::size_t at = text.bytes.find(part); at != std::string::npos;
       at = text.bytes.find(part, at + part.size()))
    ++occurrences;
  return occurrences;
}

template <bool (*holds)(char)>
Value consists_of(const Text& text, const CallArguments& given) {
  take_none("a method of str", given);
  const bool is_ascii =
      std::ranges::all_of(text.bytes, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (!is_ascii)
    throw Error(Error::Kind::unknown, "asking the kind of letters beyond ASCII is not known here");
  return !text.bytes.empty() && std::ranges::all_of(text.bytes, holds);
}

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// "{} {0} {name}".
Value format(const Text& text, const CallArguments& given) {
  if (text.is_markup) throw Error(Error::Kind::unknown, "format() of a text marked safe is not known here");
  const std::string& pattern = text.bytes;
  Text result;
  std::size_t next = 0;
  bool is_counted = false, is_numbered = false;
  for (std::size_t at = 0; at < pattern.size();) {
    const char c = pattern[at];
    const bool is_doubled = at + 1 < pattern.size() && pattern[at + 1] == c;
    if ((c == '{' || c == '}') && is_doubled) {
      result.append(text.slice(at, at + 1));
      at += 2;
      continue;
    }
    if (c == '}') fail("Single '}' encountered in format string");
    if (c != '{') {
      const std::size_t end = std::min(pattern.find_first_of("{}", at), pattern.size());
      result.append(text.slice(at, end));
      at = end;
      continue;
    }
    const std::size_t end = pattern.find('}', at);
    if (end == std::string::npos) fail("expected '}' before end of string");
    const std::string field = pattern.substr(at + 1, end - at - 1);
    if (field.find_first_of("!:.[") != std::string::npos)
      throw Error(Error::Kind::unknown, fmt::format("a field '{{{}}}' of format() is not known here", field));
    const bool is_number = std::ranges::all_of(field, is_digit);
    if (is_number) {
      is_counted = is_counted || field.empty();
      is_numbered = is_numbered || !field.empty();
      if (is_counted && is_numbered) fail("cannot mix automatic field numbering and field numbers");
      std::size_t index = next++;
      const auto [last, error] = std::from_chars(field.data(), field.data() + field.size(), index);
      if (!field.empty() && error != std::errc()) index = given.positional.size();
      if (index >= given.positional.size()) fail("Replacement index out of range for positional args tuple");
      result.append(text_of(given.positional[index]));
    } else {
      const auto found = std::ranges::find(given.named, field, &std::pair<std::string, Value>::first);
      if (found == given.named.end()) fail(fmt::format("format() misses the argument '{}'", field));
      result.append(text_of(found->second));
    }
    at = end + 1;
  }
  return result;
}

constexpr std::array<std::pair<std::string_view, TextMethod>, 24> methods = {{
    {"strip", strip<Side::both>},
    {"lstrip", strip<Side::left>},
    {"rstrip", strip<Side::right>},
    {"split", split_by<Side::left>},
    {"rsplit", split_by<Side::right>},
    {"splitlines", split_lines},
    {"startswith", has_at<false>},
    {"endswith", has_at<true>},
    {"removeprefix", remove_at<false>},
    {"removesuffix", remove_at<true>},
    {"replace", replace},
    {"join", join},
    {"find", find<false>},
    {"rfind", find<true>},
    {"count", count},
    {"lower", changed<lower>},
    {"upper", changed<upper>},
    {"capitalize", changed<capitalized>},
    {"title", changed<titled>},
    {"format", format},
    {"isdigit", consists_of<is_digit>},
    {"isalpha", consists_of<is_letter>},
    {"isalnum", consists_of<[](char c) { return is_digit(c) || is_letter(c); }>},
    {"isspace", consists_of<[](char c) { return is_space(static_cast<unsigned char>(c)); }>},
}};

constexpr std::array<std::string_view, 24> absent = {
    "casefold",  "center",    "encode",    "expandtabs",   "format_map",  "index",
    "isascii",   "isdecimal", "islower",   "isnumeric",    "istitle",     "isupper",
    "ljust",     "rjust",     "rindex",    "partition",    "rpartition",  "swapcase",
    "translate", "zfill",     "maketrans", "isidentifier", "isprintable", "unescape"};

}  // namespace

TextMethod find_text_method(std::string_view name) {
  const auto* found = std::ranges::find(methods, name, &std::pair<std::string_view, TextMethod>::first);
  return found != methods.end() ? found->second : nullptr;
}

Value text_method(const Text& text, std::string_view name) {
  if (const TextMethod method = find_text_method(name)) {
    return Callable{std::string(name),
                    [text, method](const CallArguments& given) { return method(text, given); }};
  }
  if (std::ranges::find(absent, name) != absent.end())
    throw Error(Error::Kind::unknown, fmt::format("the method '{}' of str is not known here", name));
  return Value();
}

}  // namespace cola::jinja
