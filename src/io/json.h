#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cola {

using Json = nlohmann::json;

/// Parses text; `where` ("config.json", "data.jsonl:12") begins the message of the Error thrown on malformed
/// input. Nesting deeper than 100 levels is refused. Of keys that occur twice in an object the last counts.
[[nodiscard]] Json parse_json(std::string_view text, const std::string& where);
/// As parse_json, and an object in which a key occurs twice is refused.
[[nodiscard]] Json parse_json_with_unique_keys(std::string_view text, const std::string& where);
/// As parse_json; `keys` becomes the outermost object's keys in the order of the text, each once (the object
/// itself holds them sorted).
[[nodiscard]] Json parse_json_with_key_order(std::string_view text, const std::string& where,
                                             std::vector<std::string>& keys);
[[nodiscard]] Json read_json_file(const std::filesystem::path& file);

/// Reads members of one JSON object, which must outlive it, with checked types; errors name `where` and the
/// key. A member that is null counts as missing. A float without a fraction ("1e4", up to 2^53) counts as an
/// integer.
class JsonReader {
 public:
  JsonReader(const Json& object, std::string where);  ///< throws Error if it is not an object
  JsonReader(Json&& object, std::string where) = delete;

  [[nodiscard]] bool has(const std::string& key) const;  ///< present and not null
  [[nodiscard]] std::int64_t integer(const std::string& key) const;
  [[nodiscard]] std::int64_t integer(const std::string& key, std::int64_t fallback) const;
  [[nodiscard]] double number(const std::string& key) const;
  [[nodiscard]] double number(const std::string& key, double fallback) const;
  [[nodiscard]] bool boolean(const std::string& key, bool fallback) const;
  [[nodiscard]] std::string string(const std::string& key) const;
  [[nodiscard]] std::string string(const std::string& key, const std::string& fallback) const;
  [[nodiscard]] const Json& at(const std::string& key) const;
  [[nodiscard]] const Json& object() const { return object_; }
  [[nodiscard]] const std::string& where() const { return where_; }

 private:
  const Json& object_;
  std::string where_;
};

}  // namespace cola
