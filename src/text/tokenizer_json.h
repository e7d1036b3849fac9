#pragma once
#include <filesystem>
#include <memory>

#include "text/special_tokens.h"
#include "text/tokenizer.h"

namespace cola {

/// Reads a tokenizer.json of Hugging Face's tokenizers library whose model is BPE. A model type, normalizer,
/// pre_tokenizer, decoder or post_processor that is not supported is refused by name. Throws Error naming the
/// file.
[[nodiscard]] std::unique_ptr<Tokenizer> open_tokenizer_json(const std::filesystem::path& file,
                                                             const TokenizerConfig& config);

}  // namespace cola
