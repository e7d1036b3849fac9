#include "model/model_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"
#include "model/family.h"
#include "model/gguf_checkpoint.h"

namespace cola {
namespace {

/// The only entry of `architectures`, or its first; empty if there is none.
std::string architecture_of(const JsonReader& reader) {
  if (!reader.has("architectures")) return "";
  const Json& list = reader.at("architectures");
  return list.is_array() && !list.empty() && list[0].is_string() ? list[0].get<std::string>() : "";
}

std::filesystem::path config_file(const std::filesystem::path& folder_or_file) {
  return std::filesystem::is_directory(folder_or_file) ? folder_or_file / "config.json" : folder_or_file;
}

/// People name the folder that holds a file.
void refuse_folder_of_gguf(const std::filesystem::path& folder) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored) || std::filesystem::exists(folder / "config.json"))
    return;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    if (!is_gguf_file(entry.path())) continue;
    throw Error(fmt::format("{} has no config.json, but GGUF files: name one of them, as {}", folder.string(),
                            entry.path().string()));
  }
}

}  // namespace

DecoderSpec parse_model_config(const Json& json, const std::string& where) {
  const JsonReader reader(json, where);
  const std::string type = reader.string("model_type", "");
  const std::string architecture = architecture_of(reader);
  if (const Family* family = find_family(type, architecture)) {
    DecoderSpec spec = family->read(reader);
    spec.family = family;
    return spec;
  }
  std::vector<std::string_view> names;
  for (const Family* family : all_families()) names.push_back(family->name);
  const std::string_view last = names.back();
  names.pop_back();
  throw Error(
      fmt::format("{}: architecture '{}' (model_type '{}') is not supported: cola trains {} and {} models",
                  where, architecture, type, fmt::join(names, ", "), last));
}

Json read_config_json(const std::filesystem::path& folder_or_file) {
  refuse_folder_of_gguf(folder_or_file);
  if (!is_gguf_file(folder_or_file)) return read_json_file(config_file(folder_or_file));
  std::vector<std::string> notes;
  return config_of_gguf(GgufFile(folder_or_file), notes);
}

DecoderSpec read_model_config(const std::filesystem::path& folder_or_file) {
  return parse_model_config(read_config_json(folder_or_file), config_file(folder_or_file).string());
}

Json config_json_of_shape(const std::string& name_or_path) {
  std::vector<std::string_view> names;
  for (const Family* family : all_families()) {
    for (const auto& [name, text] : family->published) {
      names.push_back(name);
      if (name_or_path != name) continue;
      Json json = parse_json(text, name_or_path);
      json["architectures"] = {family->architecture};
      json["model_type"] = family->model_type;
      return json;
    }
  }
  if (std::filesystem::exists(name_or_path)) return read_config_json(name_or_path);
  throw UsageError(fmt::format("unknown shape '{}': use a config.json or one of {}", name_or_path,
                               fmt::join(names, ", ")));
}

DecoderSpec spec_of_shape(const std::string& name_or_path) {
  return parse_model_config(config_json_of_shape(name_or_path), name_or_path);
}

}  // namespace cola
