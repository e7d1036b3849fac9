#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace cola {

enum class ChatTemplate : std::uint8_t { llama2, llama3, chatml, plain };

struct ChatMessage {
  std::string role;  ///< "system", "user" or "assistant"
  std::string content;
  float weight = 1.0F;   ///< what the loss on it is multiplied by; 0: none
  bool context = false;  ///< part of a prompt: an assistant's turn that is not trained, either
};

/// A stretch of rendered text. Loss falls on trained segments (the assistant's turns, with the end-of-turn
/// that makes generation stop). `bos`/`eos`: the tokenizer's special token stands before/after this text.
struct ChatSegment {
  std::string text;
  bool trained = false;
  float weight = 1.0F;  ///< of the message that it belongs to
  bool bos = false;
  bool eos = false;
};

[[nodiscard]] ChatTemplate parse_chat_template(std::string_view name);  ///< throws UsageError
[[nodiscard]] std::string_view name_of(ChatTemplate chat_template);

/// The template's tokens that a vocabulary must have: in pieces they would mean nothing to a model. Empty for
/// templates of plain text.
[[nodiscard]] std::span<const std::string_view> tokens_of(ChatTemplate chat_template);

/// The first of tokens_of that is no token of the vocabulary; "" if none is missing.
[[nodiscard]] std::string missing_token(ChatTemplate chat_template, const Tokenizer& tokenizer);

/// The text that ends a turn where the template writes it; "" where it is the tokenizer's EOS.
[[nodiscard]] std::string_view end_of_turn(ChatTemplate chat_template);

/// The token that ends an assistant's turn: of the template, else the tokenizer's EOS, if it has one.
[[nodiscard]] std::optional<std::int32_t> end_of_turn(ChatTemplate chat_template, const Tokenizer& tokenizer);

/// The template in Jinja, which renders what render_chat does. `bos`, `eos`: whether the special tokens are
/// written; with `bos` chatml begins with BOS too.
[[nodiscard]] std::string jinja_of(ChatTemplate chat_template, bool bos, bool eos);

/// A folder's own chat template, or a GGUF file's.
struct FolderTemplate {
  std::filesystem::path file;  ///< chat_template.jinja, chat_template.json, tokenizer_config.json or the GGUF
  std::string jinja;
};

/// nullopt where there is none. Of several in tokenizer_config.json, the one named "default".
[[nodiscard]] std::optional<FolderTemplate> read_chat_template(const std::filesystem::path& path);

/// What is known of a template in Jinja.
struct RecognisedTemplate {
  std::optional<ChatTemplate> built_in;  ///< renders every conversation that it takes as the template does
  bool bos_first = false;                ///< of chatml: after a BOS that render_chat leaves out
  std::string why_not;                   ///< in words, where there is no built_in
};

/// Compares what a template renders with what render_chat does, over conversations of all orders of roles.
/// `bos_token`, `eos_token`: as the template's folder names them; "" where it does not.
[[nodiscard]] RecognisedTemplate recognise_chat_template(const std::string& jinja,
                                                         const std::string& bos_token,
                                                         const std::string& eos_token);
/// With the tokens that the folder names.
[[nodiscard]] RecognisedTemplate recognise_chat_template(const FolderTemplate& folder_template);

/// Renders a conversation as Hugging Face's published templates of that name do. Throws Error for roles out
/// of order.
[[nodiscard]] std::vector<ChatSegment> render_chat(ChatTemplate chat_template,
                                                   const std::vector<ChatMessage>& messages);

}  // namespace cola
