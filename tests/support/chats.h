#pragma once
#include <string>
#include <string_view>

#include "text/chat/spans.h"
#include "text/jinja/json_value.h"

// Rendered chats as text, for expectations.
namespace cola::test {

/// What carries loss in braces: "user: a\nassistant:{ b</s>}".
inline std::string marked(const TrainedChat& chat) {
  std::string text;
  std::size_t at = 0;
  for (const ChatSpan& span : chat.spans) {
    text += chat.text.substr(at, span.begin - at);
    text += "{" + chat.text.substr(span.begin, span.end - span.begin) + "}";
    at = span.end;
  }
  return text + chat.text.substr(at);
}

inline ChatInput chat_of(std::string_view messages) {
  ChatInput input;
  input.messages = jinja::value_of_json(messages);
  return input;
}

}  // namespace cola::test
