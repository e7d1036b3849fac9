#include "data/chat_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "data/record_keys.h"
#include "io/printable.h"
#include "text/jinja/json_value.h"

namespace cola {
namespace {

using jinja::Dict;
using jinja::List;
using jinja::Text;
using jinja::Value;

constexpr std::array weight_keys = {"weight", "train", "training", "loss"};

/// The role that a name of ShareGPT's stands for.
std::string role_of(const std::string& from) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 7> names{
      {{"human", "user"},
       {"user", "user"},
       {"gpt", "assistant"},
       {"chatgpt", "assistant"},
       {"assistant", "assistant"},
       {"observation", "tool"},
       {"system", "system"}}};
  for (const auto& [name, role] : names) {
    if (from == name) return std::string(role);
  }
  return from;  // refused with the roles that there are
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\n\r\f\v") == std::string_view::npos;
}

/// Whether `content` is text, or a list of parts of text, with something in it. Throws Error for what is
/// neither.
bool says_something(const JsonReader& message, const std::string& key) {
  const Json& content = message.at(key);
  if (!content.is_array()) return !is_blank(message.string(key));
  bool is_something = false;
  std::size_t number = 0;
  for (const Json& item : content) {
    const JsonReader part(item, fmt::format("{}: part {} of '{}'", message.where(), ++number, key));
    if (const std::string type = part.string("type"); type != "text") {
      throw Error(fmt::format("{} is '{}': text alone is read", part.where(), printable(type)));
    }
    is_something = !is_blank(part.string("text")) || is_something;
  }
  return is_something;
}

bool has_other_text(const JsonReader& message) {
  if (message.has("tool_calls") && !message.at("tool_calls").empty()) return true;
  return std::ranges::any_of(std::array{"reasoning_content", "reasoning", "thinking"}, [&](const char* key) {
    return message.has(key) && !is_blank(message.string(key));
  });
}

void check_tool_calls(const JsonReader& message, const std::string& role) {
  if (!message.has("tool_calls") || message.at("tool_calls").empty()) return;
  if (role != "assistant")
    throw Error(fmt::format("{}: 'tool_calls' of a turn that is not the assistant's", message.where()));
  if (!message.at("tool_calls").is_array())
    throw Error(fmt::format("{}: 'tool_calls' is no list", message.where()));
  std::size_t number = 0;
  for (const Json& item : message.at("tool_calls")) {
    const JsonReader call(item, fmt::format("{}: tool call {}", message.where(), ++number));
    const JsonReader function(call.has("function") ? call.at("function") : call.object(), call.where());
    (void)function.string("name");
    if (!function.has("arguments")) continue;
    const Json& arguments = function.at("arguments");
    if (!arguments.is_object() && !arguments.is_string())
      throw Error(fmt::format("{}: 'arguments' is neither an object nor text", call.where()));
  }
}

/// Throws Error for a weight or a wish that loss falls on a turn that carries none.
void check_weight(const JsonReader& message, const std::string& role, float weight) {
  if (role == "assistant") return;
  if (weight != 0.0F && weight != 1.0F) {
    throw Error(fmt::format("{}: 'weight' {} of a turn that is not the assistant's, which carries no loss",
                            message.where(), weight));
  }
  for (const char* wish : {"train", "training", "loss"}) {
    if (message.has(wish) && weight > 0.0F) {
      throw Error(
          fmt::format("{}: '{}' of a turn that is not the assistant's: loss falls on assistant turns alone",
                      message.where(), wish));
    }
  }
}

/// Checks a message, and returns its weight and what the template is given of it.
std::pair<float, Value> read_message(const JsonReader& message, const Dict& ordered) {
  refuse_unread_message_keys(message);
  const bool share_gpt = !message.has("role") && message.has("from");
  const std::string role = share_gpt ? role_of(message.string("from")) : message.string("role");
  const std::string key = share_gpt ? "value" : "content";
  const float weight = read_weight(message);
  const bool other_text = has_other_text(message);
  const bool is_empty = message.has(key) || !other_text ? !says_something(message, key) : true;
  if (role == "assistant" && is_empty && !other_text && weight > 0.0F) {
    throw Error(
        fmt::format("{}: the content of an assistant turn is empty, which would teach to say nothing: "
                    "drop it, or give it weight 0",
                    message.where()));
  }
  check_tool_calls(message, role);
  check_weight(message, role, weight);
  Dict given;
  if (share_gpt) given.set(Text("role"), Text(role));
  for (const auto& [name, value] : ordered.items) {
    const std::string& text = name.text()->bytes;
    if (std::ranges::find(weight_keys, text) != weight_keys.end() || (share_gpt && text == "from")) continue;
    given.set(share_gpt && text == "value" ? Value(Text("content")) : name, value);
  }
  return {weight, std::move(given)};
}

/// Appends the messages under `key`.
void read_messages(const JsonReader& record, const Value& ordered, const std::string& key, List& messages,
                   std::vector<float>& weights) {
  Json parsed;
  Value in_order = *ordered.dict()->find(std::string_view(key));
  if (record.at(key).is_string()) {
    parsed = parse_json_with_unique_keys(record.string(key), fmt::format("{}: '{}'", record.where(), key));
    in_order = jinja::value_of_json(record.string(key));
  }
  const Json& array = parsed.is_null() ? record.at(key) : parsed;
  if (!array.is_array()) {
    throw Error(fmt::format(R"({}: '{}' is not an array of {{"role","content"}})", record.where(), key));
  }
  const std::vector<Value>& values = in_order.list()->items;
  for (std::size_t i = 0; i < array.size(); ++i) {
    const std::string place = key == "messages" ? "message" : key + ": message";
    const JsonReader message(array[i], fmt::format("{}: {} {}", record.where(), place, i + 1));
    auto [weight, given] = read_message(message, *values[i].dict());
    weights.push_back(weight);
    messages.items.push_back(std::move(given));
  }
}

/// A list, or the JSON text of one, as data sets have it that keep tables.
Value read_list(const JsonReader& record, const Value& ordered, const std::string& key) {
  if (!record.has(key)) return jinja::None();
  Value value = *ordered.dict()->find(key);
  if (value.text() != nullptr && !is_blank(value.text()->bytes)) {
    try {
      value = jinja::value_of_json(value.text()->bytes);
    } catch (const jinja::Error& error) {
      throw Error(fmt::format("{}: '{}': {}", record.where(), key, error.what()));
    }
  } else if (value.text() != nullptr) {
    return jinja::None();
  }
  if (value.list() == nullptr) throw Error(fmt::format("{}: '{}' is no list", record.where(), key));
  if (value.list()->items.empty()) return jinja::None();
  for (const Value& item : value.list()->items) {
    if (item.dict() == nullptr)
      throw Error(fmt::format("{}: '{}' is no list of objects", record.where(), key));
  }
  return value;
}

/// What stands beside the messages.
void read_surroundings(const JsonReader& record, const Value& ordered, ChatRecord& chat) {
  chat.chat.tools = read_list(record, ordered, "tools");
  chat.chat.documents = read_list(record, ordered, "documents");
  if (!record.has("chat_template_kwargs")) return;
  const Value* kwargs = ordered.dict()->find(std::string_view("chat_template_kwargs"));
  if (kwargs->dict() == nullptr)
    throw Error(fmt::format("{}: 'chat_template_kwargs' is no object", record.where()));
  chat.chat.keyword_arguments = *kwargs->dict();
}

}  // namespace

ChatRecord read_chat(const JsonReader& record, const Value& ordered, const std::string& key) {
  ChatRecord chat;
  List messages;
  const std::string system = record.string("system", "");
  if (!system.empty()) {
    Dict first;
    first.set(Text("role"), Text("system"));
    first.set(Text("content"), Text(system));
    messages.items.emplace_back(std::move(first));
    chat.weights.push_back(1.0F);
  }
  const std::size_t added = messages.items.size();
  read_messages(record, ordered, key, messages, chat.weights);
  if (added > 0 && messages.items.size() > added) {
    const Value* role = messages.items[added].dict()->find(std::string_view("role"));
    if (role->text()->bytes == "system") {
      throw Error(fmt::format("{}: 'system' beside a first message of role system: keep one of them",
                              record.where()));
    }
  }
  chat.chat.messages = std::move(messages);
  read_surroundings(record, ordered, chat);
  return chat;
}

ChatRecord read_chat_completion(const JsonReader& record, const Value& ordered, const std::string& prompt,
                                const std::string& completion) {
  ChatRecord chat;
  List messages;
  read_messages(record, ordered, prompt, messages, chat.weights);
  chat.context = messages.items.size();
  read_messages(record, ordered, completion, messages, chat.weights);
  if (messages.items.size() == chat.context)
    throw Error(fmt::format("{}: '{}' is empty", record.where(), printable(completion)));
  const auto is_answer = [&](std::size_t i) {
    const Value* role = messages.items[i].dict()->find(std::string_view("role"));
    return role->text()->bytes == "assistant";
  };
  if (chat.context > 0 && is_answer(chat.context - 1) && is_answer(chat.context)) {
    throw Error(
        fmt::format("{}: '{}' ends in an assistant turn that '{}' goes on with: put the beginning into the "
                    "latter",
                    record.where(), printable(prompt), printable(completion)));
  }
  chat.chat.messages = std::move(messages);
  read_surroundings(record, ordered, chat);
  return chat;
}

}  // namespace cola
