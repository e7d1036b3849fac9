#pragma once
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "text/chat_template.h"
#include "text/jinja_parser.h"

namespace cola::small_jinja {

/// The template itself refuses a conversation: its raise_exception, with its own message.
class Refusal : public Error {
 public:
  using Error::Error;
};

/// Renders a conversation as Jinja does; `variables` are strings (bos_token, ...) beside messages,
/// add_generation_prompt (false), tools and documents (none). Throws Refusal, and Error where Jinja does (a
/// member of something undefined, text and a number joined), where Python's own notation would be printed,
/// and for more than 100,000 steps or 16 MB of text.
[[nodiscard]] std::string render(const std::vector<Node>& nodes, std::span<const ChatMessage> messages,
                                 std::span<const std::pair<std::string, std::string>> variables);

}  // namespace cola::small_jinja
