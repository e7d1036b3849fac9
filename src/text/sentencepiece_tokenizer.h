#pragma once
#include <filesystem>
#include <memory>

#include "text/special_tokens.h"
#include "text/tokenizer.h"

namespace cola {

/// Reads a sentencepiece model (Llama-2's tokenizer.model) by libsentencepiece. Its control and unknown
/// pieces are cut out of texts as Hugging Face does; with "legacy": false in the configuration only the
/// text's first section gets the leading space. Throws Error naming the file.
[[nodiscard]] std::unique_ptr<Tokenizer> open_sentencepiece(const std::filesystem::path& file,
                                                            const TokenizerConfig& config);

}  // namespace cola
