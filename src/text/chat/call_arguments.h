#pragma once
#include "text/jinja/value.h"

namespace cola {

/// Whether a tool call of the messages has its arguments as text: JSON, in the form of OpenAI's API.
/// Templates of one kind write such a text as it is; those of the other kind want an object, and make a
/// quoted string of a text, or an error.
[[nodiscard]] bool have_text_arguments(const jinja::Value& messages);

/// Whether the rendered text (of messages with_origins) has each of them as it is, neither quoted nor in
/// braces.
[[nodiscard]] bool are_written_plainly(const jinja::Value& messages, const jinja::Text& rendered);

/// The messages with the objects that these texts stand for, as servers give them to a template. Throws
/// jinja::Error for a text that is no JSON object.
[[nodiscard]] jinja::Value with_object_arguments(const jinja::Value& messages);

}  // namespace cola
