#pragma once
#include <cstdint>
#include <filesystem>
#include <set>
#include <span>
#include <string>

#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace cola {

/// What a model that was trained on chats needs beside its weights. Folders carry it as chat_template.jinja
/// and generation_config.json's eos_token_id.
struct ChatFiles {
  std::string jinja;                  ///< renders as trained; "" where nothing is known
  std::set<std::int32_t> end_tokens;  ///< ids that end an answer
};

/// eos_token_id, one or several, of a folder's generation_config.json, else of its config.json; of a GGUF
/// file those that end generation in llama.cpp.
[[nodiscard]] std::set<std::int32_t> end_tokens_of(const std::filesystem::path& path);

/// Of chats rendered with `chat_template`. `eos`: whether EOS was written after the turns. `model`: the base
/// model's folder, whose own end tokens stay; `tokenizer_folder`: its template is taken to the byte where it
/// renders the same.
[[nodiscard]] ChatFiles chat_files(ChatTemplate chat_template, bool eos, const Tokenizer& tokenizer,
                                   const std::filesystem::path& tokenizer_folder,
                                   const std::filesystem::path& model);

/// What a folder carries: of an adapter, a run or a checkpoint; or a GGUF file. With a tokenizer (may be
/// null) the end tokens are also that of the folder's template, where it is a known one.
[[nodiscard]] ChatFiles read_chat_files(const std::filesystem::path& folder, const Tokenizer* tokenizer);

/// The template of the last of the folders that has one, the end tokens of all.
[[nodiscard]] ChatFiles read_chat_files(std::span<const std::filesystem::path> folders,
                                        const Tokenizer* tokenizer);

/// Puts what is known into a folder that is being written. In a checkpoint's, files that say it already stay
/// as they are, and another template in tokenizer_config.json is replaced.
void write_chat_files(const std::filesystem::path& folder, const ChatFiles& files);

}  // namespace cola
