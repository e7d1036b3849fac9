#include "io/json.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "io/files.h"
#include "io/printable.h"

namespace cola {
namespace {

constexpr int max_depth = 100;

/// nlohmann's message without its "[json.exception.parse_error.101] " prefix.
std::string cause_of(const Json::exception& error) {
  const std::string_view text = error.what();
  const std::size_t prefix_end = text.find("] ");
  return printable(prefix_end == std::string_view::npos ? text : text.substr(prefix_end + 2));
}

/// Brackets outside strings: text that is no JSON is left to the parser. Not in a callback of the parser,
/// which would then look through all siblings after every object.
void require_shallow(std::string_view text, const std::string& where) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      in_string = !in_string;
    } else if (in_string) {
      if (c == '\\') ++i;
    } else if (c == '[' || c == '{') {
      if (++depth > max_depth)
        throw Error(fmt::format("{}: JSON nested deeper than {} levels is refused", where, max_depth));
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
}

Json parse_with(std::string_view text, const std::string& where, const Json::parser_callback_t& callback) {
  require_shallow(text, where);
  try {
    return Json::parse(text, callback);
  } catch (const Json::exception& error) {
    throw Error(fmt::format("{}: not valid JSON: {}", where, cause_of(error)));
  }
}

}  // namespace

Json parse_json(std::string_view text, const std::string& where) { return parse_with(text, where, nullptr); }

Json parse_json_with_unique_keys(std::string_view text, const std::string& where) {
  std::vector<std::unordered_set<std::string>> keys;  // of the objects that are open, by depth
  return parse_with(text, where, [&](int depth, Json::parse_event_t event, Json& parsed) {
    const auto level = static_cast<std::size_t>(depth);
    if (event == Json::parse_event_t::object_start) {
      keys.resize(std::max(keys.size(), level + 2));
      keys[level + 1].clear();
    } else if (event == Json::parse_event_t::key &&
               !keys.at(level).insert(parsed.get<std::string>()).second) {
      throw Error(
          fmt::format("{}: '{}' occurs twice", where, printable(parsed.get_ref<const std::string&>())));
    }
    return true;
  });
}

Json parse_json_with_key_order(std::string_view text, const std::string& where,
                               std::vector<std::string>& keys) {
  keys.clear();
  std::unordered_set<std::string> seen;
  return parse_with(text, where, [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::key && depth == 1) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (seen.insert(key).second) keys.push_back(key);
    }
    return true;
  });
}

Json read_json_file(const std::filesystem::path& file) {
  return parse_json(read_text_file(file), file.string());
}

JsonReader::JsonReader(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
  if (!object.is_object()) throw Error(fmt::format("{}: must be a JSON object", where_));
}

bool JsonReader::has(const std::string& key) const {
  const auto member = object_.find(key);
  return member != object_.end() && !member->is_null();
}

const Json& JsonReader::at(const std::string& key) const {
  const auto member = object_.find(key);
  if (member == object_.end() || member->is_null()) {
    throw Error(fmt::format("{}: '{}' is missing", where_, printable(key)));
  }
  return *member;
}

std::int64_t JsonReader::integer(const std::string& key) const {
  const Json& value = at(key);
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    if (number <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return static_cast<std::int64_t>(number);
    }
  } else if (value.is_number_integer()) {
    return value.get<std::int64_t>();
  } else if (value.is_number_float()) {  // Python writes 1e4 and 10000.0 where it means an integer
    const auto number = value.get<double>();
    if (std::trunc(number) == number && std::abs(number) <= 0x1p53) return static_cast<std::int64_t>(number);
  }
  throw Error(fmt::format("{}: '{}' must be an integer", where_, printable(key)));
}

std::int64_t JsonReader::integer(const std::string& key, std::int64_t fallback) const {
  return has(key) ? integer(key) : fallback;
}

double JsonReader::number(const std::string& key) const {
  const Json& value = at(key);
  if (!value.is_number()) throw Error(fmt::format("{}: '{}' must be a number", where_, printable(key)));
  return value.get<double>();
}

double JsonReader::number(const std::string& key, double fallback) const {
  return has(key) ? number(key) : fallback;
}

bool JsonReader::boolean(const std::string& key, bool fallback) const {
  if (!has(key)) return fallback;
  const Json& value = at(key);
  if (!value.is_boolean()) throw Error(fmt::format("{}: '{}' must be true or false", where_, printable(key)));
  return value.get<bool>();
}

std::string JsonReader::string(const std::string& key) const {
  const Json& value = at(key);
  if (!value.is_string()) throw Error(fmt::format("{}: '{}' must be a string", where_, printable(key)));
  return value.get<std::string>();
}

std::string JsonReader::string(const std::string& key, const std::string& fallback) const {
  return has(key) ? string(key) : fallback;
}

}  // namespace cola
