#pragma once
#include <filesystem>

#include "io/gguf/gguf_keys.h"

namespace cola {

/// Writes a GGUF file's tokenizer into a Hugging Face folder: tokenizer.json and tokenizer_config.json, by
/// which the package tokenizers gives the ids that open_gguf_tokenizer does; chat_template.jinja where the
/// file has a template; generation_config.json where other tokens than EOS end generation. Of two merges that
/// a sentencepiece vocabulary gives one score, the package takes the first in its file rather than in the
/// text. Throws Error as open_gguf_tokenizer does.
void write_huggingface_tokenizer(const GgufKeys& keys, const std::filesystem::path& folder);

}  // namespace cola
