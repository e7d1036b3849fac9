#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/tokenizer.h"

namespace cola {

/// What tokenizer_config.json, special_tokens_map.json and added_tokens.json of a folder say; a member is
/// absent where no file says it. The first file that names a token wins.
struct TokenizerConfig {
  std::string tokenizer_class;
  std::optional<bool> add_bos_token;
  std::optional<bool> add_prefix_space;
  std::optional<bool> legacy;
  std::optional<std::string> bos_token;
  std::optional<std::string> eos_token;
  std::optional<std::string> unk_token;
  std::optional<std::string> pad_token;
  std::vector<AddedToken> added_tokens;
};

[[nodiscard]] TokenizerConfig read_tokenizer_config(const std::filesystem::path& folder);

/// Adds the configuration's tokens that `tokens` does not have yet.
void append_missing(std::vector<AddedToken>& tokens, const std::vector<AddedToken>& more);

using FindToken = std::function<std::optional<std::int32_t>(std::string_view)>;

/// Token strings that a vocabulary has where no configuration names any.
struct DefaultTokens {
  std::optional<std::string> bos;
  std::optional<std::string> eos;
  std::optional<std::string> pad;
  bool add_bos = false;
};

/// OPT's where the vocabulary is byte-level and its id 2 is `</s>`; else Llama-3's, GPT-2's (no BOS) or
/// Llama's by the tokens that are there.
[[nodiscard]] DefaultTokens default_tokens(const FindToken& find, bool byte_level);

/// The configuration's tokens, else the defaults. `post_processor_bos`: the BOS that tokenizer.json's
/// post_processor adds, empty where it adds none, absent where there is no post_processor; where the
/// configuration disagrees with it, it counts, and the result's remark says so. Throws Error beginning with
/// `where` if BOS is to be added and there is none, or if a BOS or EOS that counts is not in the vocabulary.
[[nodiscard]] SpecialTokens resolve_special_tokens(const TokenizerConfig& config,
                                                   const DefaultTokens& defaults,
                                                   const std::optional<std::string>& post_processor_bos,
                                                   const FindToken& find, const std::string& where);

}  // namespace cola
