#include "text/end_tokens.h"

#include <limits>
#include <string>
#include <vector>

#include "io/gguf/gguf_file.h"
#include "io/json.h"
#include "text/gguf_vocabulary.h"

namespace cola {
namespace {

/// Adds the ids of an eos_token_id, a number or a list of numbers. Whatever is neither is no token.
void add_ids(const Json& value, std::set<std::int32_t>& ids) {
  if (value.is_array()) {
    for (const auto& entry : value) {
      if (!entry.is_array()) add_ids(entry, ids);
    }
    return;
  }
  if (!value.is_number_integer()) return;
  const auto id = value.get<std::int64_t>();
  if (id >= 0 && id <= std::numeric_limits<std::int32_t>::max()) ids.insert(static_cast<std::int32_t>(id));
}

}  // namespace

std::set<std::int32_t> end_tokens_of(const std::filesystem::path& path) {
  std::set<std::int32_t> ids;
  if (is_gguf_file(path)) {
    const GgufFile file(path);
    if (!has_gguf_vocabulary(file.keys())) return ids;
    const std::vector<std::int32_t> ends = read_gguf_vocabulary(file.keys()).ends;
    return {ends.begin(), ends.end()};
  }
  for (const char* name : {"generation_config.json", "config.json"}) {
    if (!std::filesystem::exists(path / name)) continue;
    const Json json = read_json_file(path / name);
    const JsonReader reader(json, (path / name).string());
    if (!reader.has("eos_token_id")) continue;
    add_ids(reader.at("eos_token_id"), ids);
    break;
  }
  return ids;
}

}  // namespace cola
