#pragma once
#include <cstdint>
#include <filesystem>
#include <set>
#include <span>
#include <string>

#include "text/chat/format.h"
#include "text/end_tokens.h"
#include "text/tokenizer.h"

namespace cola {

/// What a model that was trained on chats needs beside its weights. Folders carry it as chat_template.jinja
/// and generation_config.json's eos_token_id.
struct ChatFiles {
  std::string jinja;                  ///< renders as trained; "" where nothing is known
  std::set<std::int32_t> end_tokens;  ///< ids that end an answer
};

/// Of chats rendered with `format`. `model`: the base model's folder, whose own end tokens stay.
[[nodiscard]] ChatFiles chat_files(const ChatFormat& format, const Tokenizer& tokenizer,
                                   const std::filesystem::path& model);

/// What a folder carries: of an adapter, a run or a checkpoint; or a GGUF file. With a tokenizer (may be
/// null) the end tokens are also that of the folder's template, where it can be run.
[[nodiscard]] ChatFiles read_chat_files(const std::filesystem::path& folder, const Tokenizer* tokenizer);

/// The template of the last of the folders that has one, the end tokens of all.
[[nodiscard]] ChatFiles read_chat_files(std::span<const std::filesystem::path> folders,
                                        const Tokenizer* tokenizer);

/// Puts what is known into a folder that is being written. In a checkpoint's, files that say it already stay
/// as they are, and another template in tokenizer_config.json is replaced.
void write_chat_files(const std::filesystem::path& folder, const ChatFiles& files);

}  // namespace cola
