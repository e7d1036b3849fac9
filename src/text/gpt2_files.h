#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/bpe.h"
#include "text/special_tokens.h"
#include "text/tokenizer.h"

namespace cola {

/// Reads the byte-level BPE of OPT and GPT-2 from vocab.json and merges.txt in `folder`. The special tokens
/// (the configuration's, else the vocabulary's defaults) are cut out of texts. Throws Error naming the file.
[[nodiscard]] std::unique_ptr<Tokenizer> open_gpt2_files(const std::filesystem::path& folder,
                                                         const TokenizerConfig& config);

/// merges.txt as it stands, and its merges: views into the text. Throws Error naming file and line.
[[nodiscard]] std::string read_merges_file(const std::filesystem::path& file);
[[nodiscard]] std::vector<BpeMerge> merges_of_text(std::string_view text, const std::filesystem::path& file);

}  // namespace cola
