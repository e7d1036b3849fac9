#pragma once
#include <filesystem>

#include "io/gguf/gguf_keys.h"

namespace cola {

/// Writes a GGUF file's tokenizer into a Hugging Face folder: tokenizer.json and tokenizer_config.json, by
/// which the package tokenizers gives the ids that open_gguf_tokenizer does; chat_template.jinja and
/// additional_chat_templates/ where the file has templates; generation_config.json where other tokens than
/// EOS end generation. Of two merges that a sentencepiece vocabulary gives one score, the package takes the
/// first in its file rather than in the text. Throws Error as open_gguf_tokenizer does.
void write_huggingface_tokenizer(const GgufKeys& keys, const std::filesystem::path& folder);

/// Writes the tokenizer of `source`, a Hugging Face folder or a GGUF file, into `folder`: tokenizer_files()
/// as they are, or as above.
void write_tokenizer_files(const std::filesystem::path& folder, const std::filesystem::path& source);

}  // namespace cola
