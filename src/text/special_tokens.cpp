#include "text/special_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <unordered_set>

#include "core/error.h"
#include "io/json.h"
#include "text/vocabulary.h"

namespace cola {

namespace {

std::optional<bool> optional_boolean(const JsonReader& reader, const std::string& key) {
  return reader.has(key) ? std::optional(reader.boolean(key, false)) : std::nullopt;
}

/// A token is given as a string, or as an object with its content.
std::optional<std::string> token_string(const JsonReader& reader, const std::string& key) {
  if (!reader.has(key)) return std::nullopt;
  const Json& value = reader.at(key);
  if (value.is_string()) return value.get<std::string>();
  return JsonReader(value, reader.where() + ": " + key).string("content");
}

void read_names(const JsonReader& reader, TokenizerConfig& config) {
  const auto read = [&](std::optional<std::string>& name, const std::string& key) {
    if (!name) name = token_string(reader, key);
  };
  read(config.bos_token, "bos_token");
  read(config.eos_token, "eos_token");
  read(config.unk_token, "unk_token");
  read(config.pad_token, "pad_token");
}

void read_added_tokens_decoder(const JsonReader& reader, TokenizerConfig& config) {
  if (!reader.has("added_tokens_decoder")) return;
  const std::string where = reader.where() + ": added_tokens_decoder";
  const Json& tokens = reader.at("added_tokens_decoder");
  if (!tokens.is_object()) throw Error(where + " is not an object");
  for (const auto& [key, value] : tokens.items()) {
    std::int64_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size()) {
      throw Error(fmt::format("{}: {:?} is not a token id", where, key));
    }
    const JsonReader token(value, where);
    const std::string content = token.string("content");
    config.added_tokens.push_back({.content = content,
                                   .id = checked_token_id(id, content, where),
                                   .special = token.boolean("special", false),
                                   .single_word = token.boolean("single_word", false),
                                   .lstrip = token.boolean("lstrip", false),
                                   .rstrip = token.boolean("rstrip", false),
                                   .normalized = token.boolean("normalized", false)});
  }
  std::ranges::stable_sort(config.added_tokens, {}, &AddedToken::id);
}

void read_added_tokens_file(const std::filesystem::path& file, TokenizerConfig& config) {
  const Json json = read_json_file(file);
  if (!json.is_object()) throw Error(file.string() + ": not an object of tokens and ids");
  std::vector<AddedToken> tokens;
  const JsonReader reader(json, file.string());
  for (const auto& [content, id] : json.items()) {
    tokens.push_back(
        {.content = content, .id = checked_token_id(reader.integer(content), content, file.string())});
  }
  append_missing(config.added_tokens, tokens);
}

bool adds_bos(const TokenizerConfig& config, const DefaultTokens& defaults,
              const std::optional<std::string>& post_processor_bos) {
  if (post_processor_bos) return !post_processor_bos->empty();
  if (config.add_bos_token) return *config.add_bos_token;
  const std::string& name = config.tokenizer_class;
  if (name.starts_with("Llama") || name.starts_with("CodeLlama")) return true;
  return !name.starts_with("GPT2") && defaults.add_bos;
}

/// What the configuration says against the post-processor.
std::string contradiction(const TokenizerConfig& config, const std::optional<std::string>& post_processor_bos,
                          const std::string& where) {
  if (!post_processor_bos) return "";
  const std::string& bos = *post_processor_bos;
  if (config.add_bos_token.value_or(!bos.empty()) == bos.empty()) {
    return fmt::format(
        "{}: tokenizer_config.json says add_bos_token {}, but the post_processor puts {}; it counts", where,
        *config.add_bos_token, bos.empty() ? "no BOS first" : fmt::format("{:?} first", bos));
  }
  if (!bos.empty() && config.bos_token.value_or(bos) != bos) {
    return fmt::format(
        "{}: tokenizer_config.json says bos_token {:?}, but the post_processor puts {:?} first; it counts",
        where, *config.bos_token, bos);
  }
  return "";
}

/// Ends of turns of published chat templates, and ends of texts beside a model's own EOS.
constexpr std::array<std::string_view, 11> other_ends{
    "<|eot_id|>",      "<|eom_id|>",    "<|im_end|>",           "<end_of_turn>",
    "<turn|>",         "<|end|>",       "<|return|>",           "<|eot|>",
    "<|end_of_text|>", "<|endoftext|>", "<|END_OF_TURN_TOKEN|>"};

}  // namespace

TokenizerConfig read_tokenizer_config(const std::filesystem::path& folder) {
  TokenizerConfig config;
  if (const auto file = folder / "tokenizer_config.json"; std::filesystem::exists(file)) {
    const Json json = read_json_file(file);
    const JsonReader reader(json, file.string());
    config.tokenizer_class = reader.string("tokenizer_class", "");
    config.add_bos_token = optional_boolean(reader, "add_bos_token");
    config.add_prefix_space = optional_boolean(reader, "add_prefix_space");
    config.legacy = optional_boolean(reader, "legacy");
    read_names(reader, config);
    read_added_tokens_decoder(reader, config);
  }
  if (const auto file = folder / "special_tokens_map.json"; std::filesystem::exists(file)) {
    const Json json = read_json_file(file);
    read_names(JsonReader(json, file.string()), config);
  }
  if (const auto file = folder / "added_tokens.json"; std::filesystem::exists(file)) {
    read_added_tokens_file(file, config);
  }
  return config;
}

void append_missing(std::vector<AddedToken>& tokens, const std::vector<AddedToken>& more) {
  std::unordered_set<std::string> known;
  for (const AddedToken& token : tokens) known.insert(token.content);
  for (const AddedToken& token : more) {
    if (known.insert(token.content).second) tokens.push_back(token);
  }
}

DefaultTokens default_tokens(const FindToken& find, bool byte_level) {
  DefaultTokens defaults;
  if (find("<pad>")) defaults.pad = "<pad>";
  if (byte_level && find("</s>") == 2) {
    defaults.bos = defaults.eos = "</s>";
    defaults.add_bos = true;
  } else if (find("<|begin_of_text|>")) {
    defaults.bos = "<|begin_of_text|>";
    if (find("<|end_of_text|>")) defaults.eos = "<|end_of_text|>";
    defaults.add_bos = true;
  } else if (find("<|endoftext|>")) {
    defaults.eos = "<|endoftext|>";
  } else {
    if (find("<s>")) defaults.bos = "<s>";
    if (find("</s>")) defaults.eos = "</s>";
    defaults.add_bos = defaults.bos.has_value();
  }
  return defaults;
}

SpecialTokens resolve_special_tokens(const TokenizerConfig& config, const DefaultTokens& defaults,
                                     const std::optional<std::string>& post_processor_bos,
                                     const FindToken& find, const std::string& where) {
  const auto id_of = [&](const char* role, const std::optional<std::string>& configured,
                         const std::optional<std::string>& fallback) -> std::optional<std::int32_t> {
    if (!configured) return fallback ? find(*fallback) : std::nullopt;
    const std::optional<std::int32_t> id = find(*configured);
    if (!id) throw Error(fmt::format("{}: {} {:?} is not in the vocabulary", where, role, *configured));
    return id;
  };
  SpecialTokens special;
  special.add_bos = adds_bos(config, defaults, post_processor_bos);
  special.remark = contradiction(config, post_processor_bos, where);
  const bool by_post_processor = post_processor_bos && !post_processor_bos->empty();
  special.bos = id_of("bos_token", by_post_processor ? post_processor_bos : config.bos_token, defaults.bos);
  special.eos = id_of("eos_token", config.eos_token, defaults.eos);
  if (special.eos) special.ends.push_back(*special.eos);
  for (const std::string_view text : other_ends) {
    const std::optional<std::int32_t> id = find(text);
    if (id && !special.is_end(*id)) special.ends.push_back(*id);
  }
  // Nothing is ever padded with it, so a name that is not in the vocabulary is no error.
  const std::optional<std::string> pad = config.pad_token ? config.pad_token : defaults.pad;
  if (pad) special.pad = find(*pad);
  // GPT2Tokenizer's own default, where its configuration asks for a BOS and names none.
  if (special.add_bos && !special.bos) special.bos = find("<|endoftext|>");
  if (special.add_bos && !special.bos) {
    throw Error(where +
                ": BOS is to be added (add_bos_token), but there is no bos_token; name one in "
                "tokenizer_config.json");
  }
  return special;
}

}  // namespace cola
