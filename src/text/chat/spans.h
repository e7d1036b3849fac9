#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "text/chat/remarks.h"
#include "text/chat/rendering.h"

namespace cola {

class TurnPatterns;

/// Bytes [begin, end) of a rendered chat that carry loss: an assistant's turn.
struct ChatSpan {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t message = 0;  ///< whose turn it is, counted from 0
};

struct TrainedChat {
  std::string text;
  std::vector<ChatSpan> spans;  ///< in order, apart from each other
  std::vector<ChatSpan> texts;  ///< messages' own text with what stands before it, in order
  std::vector<ChatRemark> remarks;
};

/// Renders a chat and finds the assistant's turns in it: what {% generation %} blocks wrote where the
/// template has them. Else by origin (TurnFinder): from the end of the generation prompt, as the template
/// writes it after the messages before, over the content, reasoning and calls, to what ends the turn. A turn
/// that cannot be told from the text has no span, but a remark. Throws jinja::Error as ChatRenderer::render
/// does. `patterns`: what was learnt of other chats with the same template and variables, if anything.
[[nodiscard]] TrainedChat render_for_training(const ChatRenderer& renderer, const ChatInput& input,
                                              const jinja::RenderOptions& options,
                                              TurnPatterns* patterns = nullptr);

}  // namespace cola
