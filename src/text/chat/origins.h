#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "text/jinja/value.h"

namespace cola {

/// Parts of a chat, by which the texts of a rendered one know where they come from (jinja::Origin::part).
/// `shape` are the keys and types of a content that is a list of parts.
enum class ChatField : std::int32_t { content, shape, reasoning, calls, other, count };

[[nodiscard]] std::int32_t part_of(std::size_t message, ChatField field);
[[nodiscard]] std::size_t message_of(const jinja::Origin& origin);
[[nodiscard]] ChatField field_of(std::string_view key);

/// The messages, whose texts know where they come from, but for the roles.
[[nodiscard]] jinja::Value with_origins(const jinja::Value& messages);

/// What follows the last text of a message in a rendered chat.
[[nodiscard]] std::string_view tail_of(const jinja::Text& text);

/// Of a message: empty for what is no text.
[[nodiscard]] std::string_view text_in(const jinja::Value* value);
[[nodiscard]] std::string_view role_of(const jinja::Value& message);
[[nodiscard]] bool is_assistant(const jinja::Value& message);
[[nodiscard]] bool has_calls(const jinja::Value& message);

/// Without what Python takes for white space.
[[nodiscard]] std::string_view without_space(std::string_view text);
[[nodiscard]] std::string_view without_space_behind(std::string_view text);

}  // namespace cola
