#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "text/chat/rendering.h"
#include "text/chat/spans.h"

namespace cola {

/// Assistants' turns of plain chats (messages of role and text, without tools or variables of their own) in
/// one template. Whatever TurnFinder learns by rendering prefixes of a chat, it learns once for all chats of
/// the same roles, from one with a stand-in for each text; a chat that is printed otherwise between its texts
/// is none of these. So what is found for a chat does not depend on others. Threads may share it.
class TurnPatterns {
 public:
  /// The turns of a chat whose messages are with_origins, as it was rendered; nothing where TurnFinder has to
  /// look at the chat itself.
  [[nodiscard]] std::optional<std::vector<ChatSpan>> find(const ChatRenderer& renderer,
                                                          const ChatInput& input,
                                                          const jinja::RenderOptions& options,
                                                          const jinja::Text& rendered);

 private:
  struct Pattern {
    std::vector<std::string> gaps;  ///< before each message's text, and behind the last
    std::vector<ChatSpan> turns;    ///< from a byte of the gap before the message to one of that behind it
  };

  [[nodiscard]] static std::optional<Pattern> learn(const ChatRenderer& renderer, const ChatInput& input,
                                                    const jinja::RenderOptions& options);

  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const Pattern>> patterns_;  ///< by the roles; null: none can be told
};

}  // namespace cola
