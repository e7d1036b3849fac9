#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cola/record_fields.h"
#include "text/chat/rendering.h"

namespace cola {

/// {"prompt", "chosen", "rejected"} as texts
struct PreferredTexts {
  std::string prompt, chosen, rejected;
};
/// The same as lists of messages: `chat` are the prompt's, the others follow them
struct PreferredChats {
  ChatInput chat;
  std::vector<jinja::Value> chosen, rejected;
};
/// {"prompt_ids", "chosen_ids", "rejected_ids"}; not yet checked against a vocabulary
struct PreferredTokens {
  std::vector<std::int64_t> prompt, chosen, rejected;
};
using PreferenceRecord = std::variant<PreferredTexts, PreferredChats, PreferredTokens>;

/// Parses one JSON object. Answers may be whole chats, with the prompt as text, as a list or not beside them
/// (UltraFeedback's form): what they begin with in common is the prompt. Throws Error beginning with `where`,
/// as parse_record does; and for a prompt that ends in the assistant's turn, an answer with another's turn,
/// and a prompt that is not what the answers begin with.
[[nodiscard]] PreferenceRecord parse_preference(std::string_view line, const std::string& where,
                                                const RecordFields& fields = {});

}  // namespace cola
