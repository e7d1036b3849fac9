#include "text/chat_files.h"

#include <limits>
#include <utility>

#include "io/files.h"
#include "io/gguf/gguf_file.h"
#include "io/json.h"
#include "text/gguf_vocabulary.h"

namespace cola {
namespace {

const char* const generation_config = "generation_config.json";
const char* const template_file = "chat_template.jinja";

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
  if (const auto own = read_chat_template(folder); own && own->jinja == jinja) return;
  write_text_file(folder / template_file, jinja);
  for (const char* name : {"chat_template.json", "tokenizer_config.json"}) {  // no reader finds another
    if (!std::filesystem::exists(folder / name)) continue;
    Json json = read_json_file(folder / name);
    if (!json.contains("chat_template")) continue;
    json["chat_template"] = jinja;
    write_text_file(folder / name, json.dump(2) + "\n");
  }
}

/// The folder's own template where it renders as trained, to the byte; else ours.
std::string template_of(ChatTemplate chat_template, bool eos, const Tokenizer& tokenizer,
                        const std::filesystem::path& folder) {
  const SpecialTokens& special = tokenizer.special();
  const bool bos = special.bos && (special.add_bos || chat_template != ChatTemplate::chatml);
  if (const auto own = read_chat_template(folder)) {
    const RecognisedTemplate known = recognise_chat_template(*own);
    const bool same_bos = chat_template != ChatTemplate::chatml || known.bos_first == bos;
    const bool same_eos = eos || !tokens_of(chat_template).empty();
    if (known.built_in == chat_template && same_bos && same_eos) return own->jinja;
  }
  return jinja_of(chat_template, bos, eos);
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
  for (const char* name : {generation_config, "config.json"}) {
    if (!std::filesystem::exists(path / name)) continue;
    const Json json = read_json_file(path / name);
    const JsonReader reader(json, (path / name).string());
    if (!reader.has("eos_token_id")) continue;
    add_ids(reader.at("eos_token_id"), ids);
    break;
  }
  return ids;
}

ChatFiles chat_files(ChatTemplate chat_template, bool eos, const Tokenizer& tokenizer,
                     const std::filesystem::path& tokenizer_folder, const std::filesystem::path& model) {
  ChatFiles files{template_of(chat_template, eos, tokenizer, tokenizer_folder), end_tokens_of(model)};
  if (tokenizer.special().eos) files.end_tokens.insert(*tokenizer.special().eos);
  if (const auto end = end_of_turn(chat_template, tokenizer)) files.end_tokens.insert(*end);
  return files;
}

ChatFiles read_chat_files(const std::filesystem::path& folder, const Tokenizer* tokenizer) {
  ChatFiles files{"", end_tokens_of(folder)};
  const auto own = read_chat_template(folder);
  if (!own) return files;
  files.jinja = own->jinja;
  const auto known = recognise_chat_template(*own);
  if (tokenizer == nullptr || !known.built_in) return files;
  if (const auto end = end_of_turn(*known.built_in, *tokenizer)) files.end_tokens.insert(*end);
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
