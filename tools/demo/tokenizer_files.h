#pragma once
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace cola::demo {

/// Writes vocab.json, merges.txt and tokenizer_config.json of a byte-level BPE with OPT's special tokens in
/// which every word of `words` (ASCII, with a space before it) is one token: merges add one letter at a time
/// from the left. Any other text falls apart into bytes. Returns the size of the vocabulary.
std::size_t write_tokenizer(const std::filesystem::path& folder, const std::vector<std::string>& words);

}  // namespace cola::demo
