#include "chain/merged_gguf_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/error.h"
#include "io/gguf/gguf_writer.h"
#include "model/family.h"
#include "model/model_config.h"
#include "text/gguf_tokenizer_keys.h"

namespace cola {
namespace {

constexpr std::string_view template_key = "tokenizer.chat_template";

/// What is said anew, or is true of the base's files alone.
bool is_dropped(std::string_view key) {
  return key == "general.file_type" || key == "general.quantization_version" || key == "general.alignment" ||
         key.starts_with("split.");
}

/// Ids that end an answer, of which a file has three at most.
void add_end_tokens(const GgufKeys& base, const std::set<std::int32_t>& wanted, GgufMetadata& keys,
                    std::vector<std::string>& notes) {
  constexpr std::string_view turn_key = "tokenizer.ggml.eot_token_id";
  std::set<std::int32_t> left = wanted;
  for (const std::string_view key : {std::string_view("tokenizer.ggml.eos_token_id"), turn_key,
                                     std::string_view("tokenizer.ggml.eom_token_id")}) {
    if (const auto* id = base.find<std::uint32_t>(key)) left.erase(static_cast<std::int32_t>(*id));
  }
  if (!left.empty() && !base.has(turn_key)) {
    keys.add(turn_key, static_cast<std::uint32_t>(*left.begin()));
    left.erase(left.begin());
  }
  for (const std::int32_t id : left) {
    notes.push_back(fmt::format(
        "note: token {} ends an answer, too, for which the file has no key: llama.cpp may go on after it",
        id));
  }
}

}  // namespace

GgufMetadata merged_keys(const GgufKeys& base, const ChatFiles& chat, std::vector<std::string>& notes) {
  GgufMetadata keys;
  for (const auto& [key, value] : base.all()) {
    if (is_dropped(key) || (key == template_key && !chat.jinja.empty())) continue;
    keys.add(key, value);
  }
  if (!chat.jinja.empty()) keys.add(template_key, std::string_view(chat.jinja));
  add_end_tokens(base, chat.end_tokens, keys, notes);
  return keys;
}

GgufMetadata merged_keys(const std::filesystem::path& folder, const DecoderSpec& config,
                         const ChatFiles& chat, std::vector<std::string>& notes) {
  const GgufFamily& family = *config.family->gguf;
  GgufMetadata own;
  family.keys(config, read_config_json(folder), own, notes);
  const std::string name = std::filesystem::weakly_canonical(folder).filename().string();
  if (!own.has("general.name")) own.add("general.name", std::string_view(name));
  add_tokenizer_keys(folder, config.vocab_size, own, notes);
  const std::vector<std::byte> bytes = gguf_bytes(own);
  return merged_keys(GgufFile(bytes, folder.string()).keys(), chat, notes);
}

}  // namespace cola
