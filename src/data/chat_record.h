#pragma once
#include "data/record.h"
#include "io/json.h"

namespace cola {

/// A chat from the list under `key`: messages of {"role", "content"}, or ShareGPT's turns of {"from",
/// "value"}. A member "system" beside it is a first message. Throws Error naming the message (from 1).
[[nodiscard]] ChatRecord read_chat(const JsonReader& record, const std::string& key);

/// A chat from lists of messages in "prompt" and "completion" (TRL's conversational form): loss falls on the
/// completion's assistant turns alone.
[[nodiscard]] ChatRecord read_chat_completion(const JsonReader& record);

}  // namespace cola
