#include "text/chat/files.h"

#include <utility>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"

namespace cola {
namespace {

const char* const generation_config = "generation_config.json";
const char* const template_file = "chat_template.jinja";

/// generation_config.json of a checkpoint without one says what transformers reads from its config.json then.
Json generation_config_of(const std::filesystem::path& folder) {
  if (std::filesystem::exists(folder / generation_config)) return read_json_file(folder / generation_config);
  Json json = Json::object();
  if (!std::filesystem::exists(folder / "config.json")) return json;
  const Json config = read_json_file(folder / "config.json");
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"}) {
    if (config.contains(key)) json[key] = config.at(key);
  }
  return json;
}

void write_end_tokens(const std::filesystem::path& folder, const std::set<std::int32_t>& wanted) {
  std::set<std::int32_t> all = end_tokens_of(folder);
  const std::size_t there = all.size();
  all.insert(wanted.begin(), wanted.end());
  if (all.size() == there) return;
  Json json = generation_config_of(folder);
  json["eos_token_id"] = all;
  write_text_file(folder / generation_config, json.dump(2) + "\n");
}

void write_template(const std::filesystem::path& folder, const std::string& jinja) {
  const OwnTemplates own = read_chat_templates(folder);
  if (const NamedTemplate* usual = own.find("default"); usual != nullptr && usual->jinja == jinja) return;
  write_text_file(folder / template_file, jinja);
  for (const char* name : {"chat_template.json", "tokenizer_config.json"}) {  // no reader finds another
    if (!std::filesystem::exists(folder / name)) continue;
    Json json = read_json_file(folder / name);
    if (!json.contains("chat_template")) continue;
    json["chat_template"] = jinja;
    write_text_file(folder / name, json.dump(2) + "\n");
  }
}

}  // namespace

ChatFiles chat_files(const ChatFormat& format, const Tokenizer& tokenizer,
                     const std::filesystem::path& model) {
  ChatFiles files{format.jinja(), end_tokens_of(model)};
  if (tokenizer.special().eos) files.end_tokens.insert(*tokenizer.special().eos);
  if (const auto end = format.end_token(tokenizer)) files.end_tokens.insert(*end);
  return files;
}

ChatFiles read_chat_files(const std::filesystem::path& folder, const Tokenizer* tokenizer) {
  ChatFiles files{"", end_tokens_of(folder)};
  const OwnTemplates own = read_chat_templates(folder);
  const NamedTemplate* usual = own.find("default");
  if (usual == nullptr) return files;
  files.jinja = usual->jinja;
  if (tokenizer == nullptr) return files;
  try {
    const ChatFormat format(usual->jinja, own.file.string(), chat_special_tokens(folder, tokenizer), {});
    if (const auto end = format.end_token(*tokenizer)) files.end_tokens.insert(*end);
  } catch (const Error&) {  // refused where chats are rendered
    return files;
  }
  return files;
}

ChatFiles read_chat_files(std::span<const std::filesystem::path> folders, const Tokenizer* tokenizer) {
  ChatFiles all;
  for (const auto& folder : folders) {
    ChatFiles files = read_chat_files(folder, tokenizer);
    if (!files.jinja.empty()) all.jinja = std::move(files.jinja);
    all.end_tokens.merge(files.end_tokens);
  }
  return all;
}

void write_chat_files(const std::filesystem::path& folder, const ChatFiles& files) {
  if (!files.end_tokens.empty()) write_end_tokens(folder, files.end_tokens);
  if (!files.jinja.empty()) write_template(folder, files.jinja);
}

}  // namespace cola
