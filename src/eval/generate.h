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

/// What is generated after one prompt.
struct Generation {
  std::vector<std::int32_t> prompt;  ///< at least one token
  std::int64_t max_new_tokens = 0;
  Sampler sampler;
  /// Called with every new token, at most max_new_tokens of them, until it returns false.
  std::function<bool(std::int32_t)> each;
};

/// Generates with key/value caches: each prompt in one pass, then a token a pass. Generations share passes,
/// starting in the given order and as earlier ones end, as many as have room: at least one, and no more than
/// fit `cache_bytes`. Where a sequence becomes longer than LongRoPE's original length, its cache, of keys
/// turned by the short factors, is made again in one pass by the long ones. Throws Error, before the first
/// pass, if a prompt and its new tokens do not fit the model's positions.
inline constexpr std::int64_t default_cache_bytes = std::int64_t{1} << 30;
void generate_tokens(ops::Context& context, const Decoder& model, std::span<Generation> generations,
                     std::int64_t cache_bytes = default_cache_bytes);

}  // namespace cola
