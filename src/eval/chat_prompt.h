#pragma once
#include <string>
#include <string_view>

#include "text/chat/format.h"

namespace cola {

/// The text that asks for an answer to a chat: JSON as a line of data has it, or the list of messages alone.
/// Throws Error for what is no chat, for one that the template refuses, and for one that ends in an answer.
[[nodiscard]] std::string prompt_of_chat(const ChatFormat& format, std::string_view chat);

}  // namespace cola
