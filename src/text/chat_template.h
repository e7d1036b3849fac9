#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cola {

enum class ChatTemplate : std::uint8_t { llama2, llama3, chatml, plain };

struct ChatMessage {
  std::string role;  ///< "system", "user" or "assistant"
  std::string content;
};

/// A stretch of rendered text. Loss falls on trained segments (the assistant's turns, with the end-of-turn
/// that makes generation stop). `bos`/`eos`: the tokenizer's special token stands before/after this text.
struct ChatSegment {
  std::string text;
  bool trained = false;
  bool bos = false;
  bool eos = false;
};

[[nodiscard]] ChatTemplate parse_chat_template(std::string_view name);  ///< throws UsageError
[[nodiscard]] std::string_view name_of(ChatTemplate chat_template);

/// Recognises the template from tokenizer_config.json's chat_template string (or chat_template.jinja);
/// nullopt where there is none or it is none of ours.
[[nodiscard]] std::optional<ChatTemplate> recognise_chat_template(const std::filesystem::path& folder);

/// Renders a conversation as Hugging Face's published templates of that name do. Throws Error for roles out
/// of order.
[[nodiscard]] std::vector<ChatSegment> render_chat(ChatTemplate chat_template,
                                                   const std::vector<ChatMessage>& messages);

}  // namespace cola
