#pragma once
#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "text/chat/built_in_templates.h"
#include "text/chat/rendering.h"
#include "text/chat/spans.h"
#include "text/chat/turn_patterns.h"
#include "text/chat_templates.h"
#include "text/tokenizer.h"

namespace cola {

/// What the command line says of chats.
struct ChatOptions {
  std::string chat_template;  ///< file, or a name of the folder's or of a built-in one; empty: the folder's
  std::string chat_template_kwargs;  ///< JSON object of variables; empty: none
  std::string chat_template_date;    ///< that strftime_now writes, 2026-03-09T14:05:06; empty: the present
  bool no_eos = false;               ///< of built-in templates: no EOS after an assistant's turn
};

/// How chats become text: a template, its variables, and the date it may print. Copies share the template.
class ChatFormat {
 public:
  /// The template that `options` choose for the model in `folder` (or GGUF file), whose tokenizer may be
  /// null: then without special tokens that the folder does not name. Nothing where the folder has none and
  /// none is chosen. Throws Error for a template that cannot be run exactly, with line and column, and
  /// UsageError for options that are wrong.
  static std::optional<ChatFormat> find(const ChatOptions& options, const std::filesystem::path& folder,
                                        const Tokenizer* tokenizer);
  /// `origin`: where the template is from, in words.
  ChatFormat(const std::string& jinja, std::string origin, jinja::Dict special_tokens,
             const ChatOptions& options);

  /// What `chat` lacks is this format's: special tokens, variables. Throws jinja::Error, see describe().
  [[nodiscard]] TrainedChat render(const ChatInput& chat) const;
  [[nodiscard]] std::string render_prompt(const ChatInput& chat) const;
  /// The chat with the arguments of its tool calls as objects, as servers give them to a template. Nothing
  /// where none are JSON text, or the template writes that as it is. Throws jinja::Error for text that is no
  /// object.
  [[nodiscard]] std::optional<ChatInput> with_object_arguments(const ChatInput& chat) const;
  /// Whether a message of that role is one that chats usually have, or that the template asks for by name.
  [[nodiscard]] bool knows_role(std::string_view role) const;
  /// See chat_spans.h.
  [[nodiscard]] std::string end_of_turn() const;
  /// The first token that ends an assistant's turn and is no piece of ordinary text, if there is one.
  [[nodiscard]] std::optional<std::int32_t> end_token(const Tokenizer& tokenizer) const;

  [[nodiscard]] const std::string& jinja() const { return renderer_->source(); }
  [[nodiscard]] const std::string& origin() const { return origin_; }
  /// What strftime_now takes for the present, in the form of ChatOptions; empty for a template without it.
  [[nodiscard]] std::string date() const;
  /// Tells formats apart that render a chat differently: a hash of all that is in one, but of the present
  /// time only for a template that writes it.
  [[nodiscard]] std::string identity() const;
  /// "the chat template of FILE, line 3, column 7: ..."; of a refusal the template's own words.
  [[nodiscard]] std::string describe(const jinja::Error& error) const;

 private:
  [[nodiscard]] const ChatRenderer& renderer_of(const ChatInput& chat) const;
  [[nodiscard]] ChatInput completed(const ChatInput& chat) const;

  std::shared_ptr<const ChatRenderer> renderer_;
  std::shared_ptr<const ChatRenderer> with_tools_;  ///< that a folder has for chats with tools, or null
  std::string origin_;
  jinja::Dict special_tokens_;
  jinja::Dict keyword_arguments_;
  jinja::RenderOptions options_;
  std::shared_ptr<TurnPatterns> patterns_ = std::make_shared<TurnPatterns>();
};

/// The tokens that a template is given by name, as text: bos_token, eos_token, unk_token, pad_token.
/// `tokenizer` may be null.
[[nodiscard]] jinja::Dict chat_special_tokens(const std::filesystem::path& folder,
                                              const Tokenizer* tokenizer);

/// The present local time, in the form of ChatOptions::chat_template_date.
[[nodiscard]] std::string present_date();

}  // namespace cola
