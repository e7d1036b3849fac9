#pragma once
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "text/jinja/json_value.h"
#include "text/jinja/template.h"

// What tests of templates share.
namespace cola::test {

inline std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream all;
  all << in.rdbuf();
  return all.str();
}

/// None where there is no such member.
inline const jinja::Value& member(const jinja::Value& value, std::string_view name) {
  static const jinja::Value none = jinja::None();
  const jinja::Value* found = value.dict()->find(name);
  return found != nullptr ? *found : none;
}

/// When the expected texts were made: Monday 9 March 2026, 14:05:06.
inline jinja::RenderOptions at_the_fixed_time() {
  jinja::RenderOptions options;
  options.now.tm_year = 126;
  options.now.tm_mon = 2;
  options.now.tm_mday = 9;
  options.now.tm_wday = 1;
  options.now.tm_yday = 67;
  options.now.tm_hour = 14;
  options.now.tm_min = 5;
  options.now.tm_sec = 6;
  return options;
}

/// [begin, end) in code points of what {% generation %} blocks wrote.
inline jinja::Value spans_of(const jinja::Rendered& rendered) {
  const std::string_view text = rendered.text.bytes;
  jinja::List spans;
  for (const auto& [begin, end] : rendered.generated) {
    jinja::List pair;
    pair.items = {static_cast<std::int64_t>(jinja::code_point_count(text.substr(0, begin))),
                  static_cast<std::int64_t>(jinja::code_point_count(text.substr(0, end)))};
    spans.items.emplace_back(std::move(pair));
  }
  return spans;
}

}  // namespace cola::test
