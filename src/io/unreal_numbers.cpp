#include "io/unreal_numbers.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <system_error>
#include <vector>

#include "io/printable.h"

namespace cola {
namespace {

bool is_unreal(std::string_view token) {
  if (token == "NaN" || token == "Infinity" || token == "-Infinity") return true;
  double value = 0.0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
  return error == std::errc::result_out_of_range && token.find("e-") == std::string_view::npos &&
         token.find("E-") == std::string_view::npos;
}

/// The end of the string that begins at `begin`, behind its quote.
std::size_t end_of_string(std::string_view text, std::size_t begin) {
  for (std::size_t at = begin + 1; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at + 1;
    }
  }
  return text.size();
}

}  // namespace

std::string find_unreal_number(std::string_view text) {
  constexpr std::string_view punctuation = " \t\r\n{}[]:,\"";
  std::vector<std::string> keys;  // of the objects that are open
  std::string key;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    std::size_t end = at + 1;
    if (c == '"') {
      end = end_of_string(text, at);
      key = printable(text.substr(at + 1, end - at - 2));
    } else if (c == '{') {
      keys.push_back(key);
    } else if (c == '}') {
      if (!keys.empty()) keys.pop_back();
    } else if (punctuation.find(c) == std::string_view::npos) {
      end = std::min(text.find_first_of(punctuation, at), text.size());
      const std::string_view token = text.substr(at, end - at);
      if (is_unreal(token)) {
        std::string path;
        for (std::size_t i = 1; i < keys.size(); ++i) path += fmt::format("'{}' ", keys[i]);
        return fmt::format("{}'{}' is {}", path, key, printable(token));
      }
    }
    at = end;
  }
  return "";
}

}  // namespace cola
