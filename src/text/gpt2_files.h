#pragma once
#include <filesystem>
#include <memory>

#include "text/special_tokens.h"
#include "text/tokenizer.h"

namespace cola {

/// Reads the byte-level BPE of OPT and GPT-2 from vocab.json and merges.txt in `folder`. The special tokens
/// (the configuration's, else the vocabulary's defaults) are cut out of texts. Throws Error naming the file.
[[nodiscard]] std::unique_ptr<Tokenizer> open_gpt2_files(const std::filesystem::path& folder,
                                                         const TokenizerConfig& config);

}  // namespace cola
