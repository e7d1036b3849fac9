#include "cli/target_modules_option.h"

#include <fmt/ranges.h>

#include <string_view>

namespace cola {

std::vector<std::string> split_target_modules(const std::vector<std::string>& given) {
  std::vector<std::string> entries;
  for (const std::string& text : given) {
    entries.emplace_back();
    int depth = 0;
    bool escaped = false;
    for (const char c : text) {
      if (!escaped && std::string_view("([{").find(c) != std::string_view::npos) ++depth;
      if (!escaped && std::string_view(")]}").find(c) != std::string_view::npos) --depth;
      escaped = !escaped && c == '\\';
      if (c == ',' && depth <= 0) {
        entries.emplace_back();
      } else {
        entries.back() += c;
      }
    }
  }
  return entries;
}

void add_target_modules(CLI::App& verb, std::vector<std::string>& targets, const std::string& help) {
  const auto take = [&targets](const std::vector<std::string>& given) {
    targets = split_target_modules(given);
  };
  verb.add_option_function<std::vector<std::string>>("--target-modules", take, help)
      ->default_str(fmt::format("{}", fmt::join(targets, ",")));
}

}  // namespace cola
