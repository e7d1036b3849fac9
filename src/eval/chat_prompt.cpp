#include "eval/chat_prompt.h"

#include <fmt/format.h>

#include "core/error.h"
#include "data/record.h"
#include "text/chat/origins.h"

namespace cola {

std::string prompt_of_chat(const ChatFormat& format, std::string_view chat) {
  const std::size_t begin = chat.find_first_not_of(" \t\r\n");
  const bool is_list = begin != std::string_view::npos && chat[begin] == '[';
  const std::string whole = is_list ? fmt::format(R"({{"messages":{}}})", chat) : std::string(chat);
  const DataRecord record = parse_record(whole, "the chat");
  const auto* read = std::get_if<ChatRecord>(&record.form);
  if (read == nullptr || read->weights.empty())
    throw Error(R"(the chat: no {"messages": [...]} with a message)");
  std::size_t number = 0;
  for (const jinja::Value& message : read->chat.messages.list()->items) {
    ++number;
    if (!format.knows_role(role_of(message)))
      throw Error(fmt::format("the chat: message {} has role {:?}", number, role_of(message)));
  }
  if (is_assistant(read->chat.messages.list()->items.back()))
    throw Error("the chat: the last message is the assistant's, and asks for no answer");
  try {
    return format.render_prompt(format.with_object_arguments(read->chat).value_or(read->chat));
  } catch (const jinja::Error& error) {
    throw Error(format.describe(error));
  }
}

}  // namespace cola
