#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "io/gguf/gguf_file.h"
#include "io/gguf/gguf_metadata.h"
#include "model/decoder_spec.h"
#include "text/chat/files.h"

namespace cola {

/// The keys of a merged model but those that say the types of its tensors, and of how many files it is: the
/// base file's, with `chat` in place of what it says of chats.
[[nodiscard]] GgufMetadata merged_keys(const GgufKeys& base, const ChatFiles& chat,
                                       std::vector<std::string>& notes);

/// The same of a base that is a Hugging Face folder. Throws Error as GgufFamily::keys and add_tokenizer_keys
/// do.
[[nodiscard]] GgufMetadata merged_keys(const std::filesystem::path& folder, const DecoderSpec& config,
                                       const ChatFiles& chat, std::vector<std::string>& notes);

}  // namespace cola
