#include "text/chat/origins.h"

#include <string>

#include "text/jinja/json_value.h"

namespace cola {

using jinja::Dict;
using jinja::List;
using jinja::Origin;
using jinja::Text;
using jinja::Value;

std::int32_t part_of(std::size_t message, ChatField field) {
  return static_cast<std::int32_t>(message) * static_cast<std::int32_t>(ChatField::count) +
         static_cast<std::int32_t>(field);
}

std::size_t message_of(const Origin& origin) {
  return static_cast<std::size_t>(origin.part / static_cast<std::int32_t>(ChatField::count));
}

ChatField field_of(std::string_view key) {
  if (key == "content") return ChatField::content;
  if (key == "reasoning_content" || key == "thinking" || key == "reasoning") return ChatField::reasoning;
  return key == "tool_calls" || key == "function_call" ? ChatField::calls : ChatField::other;
}

namespace {

/// A content, whose parts' keys and types are apart from what they say.
Value content_with_origins(const Value& content, std::size_t message) {
  const std::int32_t own = part_of(message, ChatField::content);
  const std::int32_t shape = part_of(message, ChatField::shape);
  if (content.list() == nullptr) return with_origin(content, own);
  List parts;
  for (const Value& part : content.list()->items) {
    if (part.dict() == nullptr) {
      parts.items.push_back(with_origin(part, own));
      continue;
    }
    Dict known;
    for (const auto& [key, value] : part.dict()->items)
      known.items.emplace_back(with_origin(key, shape),
                               with_origin(value, text_in(&key) == "type" ? shape : own));
    parts.items.emplace_back(std::move(known));
  }
  return parts;
}

}  // namespace

Value with_origins(const Value& messages) {
  List all;
  if (messages.list() == nullptr) return messages;
  for (const Value& message : messages.list()->items) {
    if (message.dict() == nullptr) return messages;
    Dict known;
    for (const auto& [key, value] : message.dict()->items) {
      const std::string_view name = key.text() != nullptr ? std::string_view(key.text()->bytes) : "";
      const std::size_t message_number = all.items.size();
      known.items.emplace_back(key, name == "role" ? value
                                    : name == "content"
                                        ? content_with_origins(value, message_number)
                                        : with_origin(value, part_of(message_number, field_of(name))));
    }
    all.items.emplace_back(std::move(known));
  }
  return all;
}

std::string_view tail_of(const Text& text) {
  const std::size_t from = text.origins.empty() ? 0 : text.origins.back().end;
  return std::string_view(text.bytes).substr(from);
}

std::string_view text_in(const Value* value) {
  return value != nullptr && value->text() != nullptr ? std::string_view(value->text()->bytes)
                                                      : std::string_view();
}

std::string_view role_of(const Value& message) {
  return text_in(message.dict()->find(std::string_view("role")));
}

bool is_assistant(const Value& message) {
  const std::string_view role = role_of(message);
  return role == "assistant" || role == "model";
}

bool has_calls(const Value& message) {
  const Value* calls = message.dict()->find(std::string_view("tool_calls"));
  return calls != nullptr && jinja::is_true(*calls);
}

std::string_view without_space_behind(std::string_view text) {
  return text.substr(0, jinja::stripped(text, jinja::Side::right).second);
}

std::string_view without_space(std::string_view text) {
  const auto [begin, end] = jinja::stripped(text, jinja::Side::both);
  return text.substr(begin, end - begin);
}

}  // namespace cola
