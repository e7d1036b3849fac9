#pragma once
#include <string>
#include <string_view>

#include "text/jinja/template.h"

namespace cola {

/// What a chat template is given. Values as JSON has them; messages, tools and documents are lists.
struct ChatInput {
  jinja::Value messages;
  jinja::Value tools = jinja::None();
  jinja::Value documents = jinja::None();
  bool add_generation_prompt = false;
  std::string continued_field;  ///< of the last message, whose end the text ends with: "content"; empty: none
  jinja::Dict special_tokens;   ///< bos_token, eos_token, ...
  jinja::Dict keyword_arguments;  ///< others, which win over those above
};

/// Gives a keyword argument of apply_chat_template: add_generation_prompt, continue_final_message (true, or
/// the field that is continued), tools and documents are the input's own, others are the template's.
void give(ChatInput& input, std::string_view name, const jinja::Value& value);

/// A model's chat template, with what transformers (5.24) does before and after it: keys of a message that
/// are null are dropped, `reasoning_content`, `thinking` and `reasoning` are aliases, and a continued message
/// is cut where it ends.
class ChatRenderer {
 public:
  /// Throws jinja::Error.
  explicit ChatRenderer(std::string source);

  /// Throws jinja::Error, of an input that is no chat, too.
  [[nodiscard]] jinja::Rendered render(const ChatInput& input, const jinja::RenderOptions& options) const;
  [[nodiscard]] bool has_generation_blocks() const { return template_.has_generation_blocks(); }
  [[nodiscard]] const std::string& source() const { return source_; }

 private:
  std::string source_;
  jinja::Template template_;
};

}  // namespace cola
