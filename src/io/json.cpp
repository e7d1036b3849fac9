#include "io/json.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <utility>

#include "core/error.h"
#include "io/files.h"
#include "io/json_builder.h"
#include "io/printable.h"

namespace cola {
namespace {

Json parse_with(std::string_view text, const std::string& where, const JsonBuilderOptions& options) {
  JsonBuilder builder(where, options);
  Json::sax_parse(text, &builder);
  return builder.take();
}

}  // namespace

Json parse_json(std::string_view text, const std::string& where) { return parse_with(text, where, {}); }

Json parse_json_with_unique_keys(std::string_view text, const std::string& where) {
  return parse_with(text, where, {.unique_keys = true});
}

Json parse_json_with_key_order(std::string_view text, const std::string& where,
                               std::vector<std::string>& keys) {
  keys.clear();
  return parse_with(text, where, {.outer = &keys});
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
