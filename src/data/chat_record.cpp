#include "data/chat_record.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "data/record_keys.h"
#include "io/printable.h"

namespace cola {
namespace {

/// Text, or OpenAI's list of parts of text, joined as transformers' templates do.
std::string read_content(const JsonReader& message, const std::string& key) {
  const Json& content = message.at(key);
  if (!content.is_array()) return message.string(key);
  std::string text;
  std::size_t number = 0;
  for (const Json& item : content) {
    const JsonReader part(item, fmt::format("{}: part {} of '{}'", message.where(), ++number, key));
    if (const std::string type = part.string("type"); type != "text") {
      throw Error(fmt::format("{} is '{}': text alone is read", part.where(), printable(type)));
    }
    text += part.string("text");
  }
  return text;
}

/// The role that a name of ShareGPT's stands for.
std::string role_of(const std::string& from) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 6> names{
      {{"human", "user"},
       {"user", "user"},
       {"gpt", "assistant"},
       {"chatgpt", "assistant"},
       {"assistant", "assistant"},
       {"system", "system"}}};
  for (const auto& [name, role] : names) {
    if (from == name) return std::string(role);
  }
  return from;  // refused with the roles that there are
}

ChatMessage read_message(const JsonReader& message) {
  refuse_unread_message_keys(message);
  const bool share_gpt = !message.has("role") && message.has("from");
  ChatMessage read{.role = share_gpt ? role_of(message.string("from")) : message.string("role"),
                   .content = read_content(message, share_gpt ? "value" : "content"),
                   .weight = read_weight(message)};
  const bool empty = read.content.find_first_not_of(" \t\n\r\f\v") == std::string::npos;
  if (read.role == "assistant" && empty && read.weight > 0.0F) {
    throw Error(
        fmt::format("{}: the content of an assistant turn is empty, which would teach to say nothing: "
                    "drop it, or give it weight 0",
                    message.where()));
  }
  return read;
}

std::vector<ChatMessage> read_messages(const JsonReader& record, const std::string& key) {
  const Json& array = record.at(key);
  if (!array.is_array()) {
    throw Error(fmt::format(R"({}: '{}' is not an array of {{"role","content"}})", record.where(), key));
  }
  std::vector<ChatMessage> messages;
  for (const Json& item : array) {
    const std::string place = key == "messages" ? "message" : key + ": message";
    const JsonReader message(item, fmt::format("{}: {} {}", record.where(), place, messages.size() + 1));
    messages.push_back(read_message(message));
    if (const ChatMessage& read = messages.back();
        read.role != "assistant" && read.weight != 0.0F && read.weight != 1.0F) {
      throw Error(fmt::format("{}: 'weight' {} of a turn that is not the assistant's, which carries no loss",
                              message.where(), read.weight));
    }
    for (const char* wish : {"train", "training", "loss"}) {
      if (messages.back().role != "assistant" && message.has(wish) && messages.back().weight > 0.0F) {
        throw Error(
            fmt::format("{}: '{}' of a turn that is not the assistant's: loss falls on assistant turns alone",
                        message.where(), wish));
      }
    }
  }
  return messages;
}

}  // namespace

ChatRecord read_chat(const JsonReader& record, const std::string& key) {
  ChatRecord chat{read_messages(record, key)};
  const std::string system = record.string("system", "");
  if (system.empty()) return chat;
  if (!chat.messages.empty() && chat.messages.front().role == "system") {
    throw Error(
        fmt::format("{}: 'system' beside a first message of role system: keep one of them", record.where()));
  }
  chat.messages.insert(chat.messages.begin(), {.role = "system", .content = system});
  return chat;
}

ChatRecord read_chat_completion(const JsonReader& record) {
  ChatRecord chat{read_messages(record, "prompt")};
  for (ChatMessage& message : chat.messages) message.context = true;
  std::vector<ChatMessage> completion = read_messages(record, "completion");
  if (completion.empty()) throw Error(fmt::format("{}: 'completion' is empty", record.where()));
  if (!chat.messages.empty() && chat.messages.back().role == "assistant" &&
      completion.front().role == "assistant") {
    throw Error(
        fmt::format("{}: 'prompt' ends in an assistant turn that 'completion' goes on with, which no "
                    "built-in chat template writes",
                    record.where()));
  }
  chat.messages.insert(chat.messages.end(), completion.begin(), completion.end());
  return chat;
}

}  // namespace cola
