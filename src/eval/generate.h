#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <span>
#include <vector>

#include "eval/sampler.h"
#include "model/decoder.h"
#include "text/tokenizer.h"

namespace cola {

/// Tokens that end a generation: the tokenizer's EOS, and eos_token_id (one or several) of the model folder's
/// generation_config.json, else of its config.json.
[[nodiscard]] std::set<std::int32_t> stop_tokens(const std::filesystem::path& model,
                                                 const SpecialTokens& special);

/// Generates after `prompt` (at least one token) with a key/value cache: the prompt in one pass, then a token
/// a pass. `each(token)` is called with every new token, at most `max_new_tokens` of them, until it returns
/// false. Throws Error if prompt and new tokens do not fit the model's positions.
void generate_tokens(ops::Context& context, const Decoder& model, std::span<const std::int32_t> prompt,
                     std::int64_t max_new_tokens, Sampler& sampler,
                     const std::function<bool(std::int32_t)>& each);

}  // namespace cola
