#include "text/chat_templates.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "io/files.h"
#include "io/gguf/gguf_file.h"
#include "io/json.h"
#include "text/utf8.h"

namespace cola {
namespace {

constexpr std::size_t template_size_limit = std::size_t{1} << 20;
constexpr const char* default_name = "default";

void add(OwnTemplates& own, const std::filesystem::path& file, std::string name, std::string jinja) {
  if (own.templates.empty()) own.file = file;
  if (own.find(name) != nullptr)
    throw Error(fmt::format("{}: two chat templates are called {:?}", file.string(), name));
  own.templates.push_back({std::move(name), std::move(jinja)});
}

OwnTemplates templates_of_gguf(const std::filesystem::path& path) {
  constexpr std::string_view key = "tokenizer.chat_template";
  const GgufFile file(path);
  OwnTemplates own;
  const auto take = [&](const std::string& full_key, std::string name) {
    const auto* jinja = file.keys().find<std::string_view>(full_key);
    if (jinja == nullptr) return;
    require_utf8(*jinja, fmt::format("{}: {}", path.string(), full_key));
    add(own, path, std::move(name), std::string(*jinja));
  };
  take(std::string(key), default_name);
  for (const auto& [full_key, value] : file.keys().all()) {
    if (full_key.starts_with(key) && full_key.size() > key.size() + 1 && full_key[key.size()] == '.')
      take(full_key, full_key.substr(key.size() + 1));
  }
  return own;
}

/// chat_template.jinja and additional_chat_templates/*.jinja.
OwnTemplates templates_of_files(const std::filesystem::path& folder) {
  OwnTemplates own;
  const auto take = [&](const std::filesystem::path& file, std::string name) {
    std::string jinja = read_text_file(file, template_size_limit);
    require_utf8(jinja, file.string());
    add(own, file, std::move(name), std::move(jinja));
  };
  if (const auto file = folder / "chat_template.jinja"; std::filesystem::exists(file))
    take(file, default_name);
  const auto more = folder / "additional_chat_templates";
  if (!std::filesystem::is_directory(more)) return own;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(more)) {
    if (entry.path().extension() == ".jinja") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  for (const auto& file : files) take(file, file.stem().string());
  return own;
}

/// The member "chat_template": a string, or a list of {name, template}.
OwnTemplates templates_of_config(const std::filesystem::path& file) {
  OwnTemplates own;
  const Json json = read_json_file(file);
  const JsonReader reader(json, file.string());
  if (!reader.has("chat_template")) return own;
  const Json& value = reader.at("chat_template");
  if (!value.is_array()) {
    add(own, file, default_name, reader.string("chat_template"));
    return own;
  }
  for (const Json& entry : value) {
    const JsonReader named(entry, file.string() + ": chat_template");
    add(own, file, named.string("name"), named.string("template"));
  }
  return own;
}

}  // namespace

const NamedTemplate* OwnTemplates::find(std::string_view name) const {
  const auto found = std::ranges::find(templates, name, &NamedTemplate::name);
  return found != templates.end() ? &*found : nullptr;
}

OwnTemplates read_chat_templates(const std::filesystem::path& path) {
  if (is_gguf_file(path)) return templates_of_gguf(path);
  OwnTemplates own = templates_of_files(path);
  for (const char* name : {"chat_template.json", "tokenizer_config.json"}) {
    if (own.templates.empty() && std::filesystem::exists(path / name)) own = templates_of_config(path / name);
  }
  std::erase_if(own.templates, [](const NamedTemplate& one) { return one.jinja.empty(); });
  return own;
}

}  // namespace cola
