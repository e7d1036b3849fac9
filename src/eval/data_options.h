#pragma once
#include <filesystem>
#include <optional>

#include "cola/language_model.h"
#include "data/dataset.h"
#include "data/token_cache.h"
#include "model/decoder_spec.h"

namespace cola {

/// `max_length`; where it is 0 the model's positions, at most 2048. Throws UsageError above them.
[[nodiscard]] std::int64_t longest_sequence(std::int64_t max_length, const DecoderSpec& config);

/// How a data file becomes sequences for this model: max_length 0 becomes the model's positions, at most
/// 2048, and an empty chat template the one of the tokenizer's folder. A template that ends turns with a mark
/// that the vocabulary lacks is none: no_chat_template says so. `tokenizer` may be null. Throws UsageError
/// for a length above the model's positions, and as ChatFormat::find does.
[[nodiscard]] ChatOptions chat_options(const EvaluateOptions& options);
[[nodiscard]] DataOptions data_options(const EvaluateOptions& options, const DecoderSpec& config,
                                       const std::filesystem::path& tokenizer_folder,
                                       const Tokenizer* tokenizer);

/// The one that the options name, if they do.
[[nodiscard]] std::optional<TokenCache> token_cache(const EvaluateOptions& options,
                                                    const std::filesystem::path& tokenizer_folder);

}  // namespace cola
