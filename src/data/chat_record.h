#pragma once
#include "data/record.h"
#include "io/json.h"
#include "text/jinja/value.h"

namespace cola {

/// A chat from the list under `key`, or its JSON text, as tables have it: messages of {"role", "content"}, or
/// ShareGPT's turns of {"from", "value"}, with "tools", "documents" and "chat_template_kwargs" beside it. A
/// member "system" is a first message. `ordered` is the same record with its keys in order. Throws Error
/// naming the message (from 1).
[[nodiscard]] ChatRecord read_chat(const JsonReader& record, const jinja::Value& ordered,
                                   const std::string& key);

/// A chat from lists of messages under two keys, as "prompt" and "completion" (TRL's conversational form):
/// loss falls on the completion's assistant turns alone.
[[nodiscard]] ChatRecord read_chat_completion(const JsonReader& record, const jinja::Value& ordered,
                                              const std::string& prompt, const std::string& completion);

}  // namespace cola
