#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "io/gguf/gguf_metadata.h"

namespace cola {

/// Adds the tokenizer of a Hugging Face folder as the keys tokenizer.ggml.* and tokenizer.chat_template: with
/// it llama.cpp gives ordinary text the same ids. Ids below `vocab_size`, the rows of the model's embeddings,
/// that no token has are [PAD...]. `notes` gets a line for each thing that no key can say. Throws Error
/// naming file and cause where the tokenizer cannot be said in keys: a pre-tokenizer that llama.cpp has not,
/// a normalizer, merges that are not those of scores; or has more than `vocab_size` tokens.
void add_tokenizer_keys(const std::filesystem::path& folder, std::int64_t vocab_size, GgufMetadata& metadata,
                        std::vector<std::string>& notes);

}  // namespace cola
