#include "text/chat/rendering.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace cola {
namespace {

using jinja::Dict;
using jinja::fail;
using jinja::List;
using jinja::Text;
using jinja::Value;

constexpr std::array<std::string_view, 3> reasoning_fields = {"reasoning_content", "thinking", "reasoning"};
constexpr std::string_view tag = "CONTINUE_FINAL_MESSAGE_TAG ";
constexpr std::string_view trimmed_tag = tag.substr(0, tag.size() - 1);

/// Without the members that are null, and with the aliases of the reasoning.
Value normalized(const Value& message) {
  if (message.dict() == nullptr) fail("a message is no object");
  bool is_plain = true;
  for (const auto& [key, value] : message.dict()->items) {
    if (key.text() == nullptr) fail("a message has a key that is no text");
    is_plain = is_plain && !value.is_none() &&
               std::ranges::find(reasoning_fields, key.text()->bytes) == reasoning_fields.end();
  }
  if (is_plain) return message;
  Dict given;
  for (const auto& [key, value] : message.dict()->items) {
    if (!value.is_none()) given.items.emplace_back(key, value);
  }
  for (const std::string_view field : reasoning_fields) {
    const Value* found = given.find(field);
    if (found == nullptr) continue;
    const Value reasoning = *found;
    Dict aliased;
    aliased.set(Text("thinking"), reasoning);
    for (auto& [key, value] : given.items) aliased.set(key, value);
    aliased.set(Text("reasoning_content"), reasoning);
    return aliased;
  }
  return given;
}

Text with_tag(const Text& text) {
  Text tagged = text;
  tagged.append_bytes(tag);
  return tagged;
}

/// Appends the tag to what is continued, and returns that.
Text mark_continued(Dict& message, const std::string& field, const std::string& source) {
  const Value* found = message.find(field);
  if (found == nullptr) fail("the final message has no \"" + field + "\" to continue");
  if (const List* parts = found->list()) {
    if (source.find(field) == std::string::npos) fail("the template has no field \"" + field + "\"");
    List changed = *parts;
    for (auto part = changed.items.rbegin(); part != changed.items.rend(); ++part) {
      const Value* text = part->dict() != nullptr ? part->dict()->find(std::string_view("text")) : nullptr;
      if (text == nullptr || text->text() == nullptr) continue;
      const Text continued = *text->text();
      Dict copy = *part->dict();
      copy.set(Text("text"), with_tag(continued));
      *part = std::move(copy);
      message.set(Text(field), std::move(changed));
      return continued;
    }
    fail("the final message has no text to continue");
  }
  if (found->text() == nullptr) fail("the final message's \"" + field + "\" is no text");
  const Text continued = *found->text();
  bool is_accepted = false;
  const bool is_reasoning = std::ranges::find(reasoning_fields, field) != reasoning_fields.end();
  for (auto& [key_value, value] : message.items) {
    const std::string& key = key_value.text()->bytes;
    const bool is_copy = is_reasoning && std::ranges::find(reasoning_fields, key) != reasoning_fields.end() &&
                         jinja::are_equal(value, Value(continued));
    if (key != field && !is_copy) continue;
    is_accepted = is_accepted || source.find(key) != std::string::npos;
    value = with_tag(continued);
  }
  if (!is_accepted) fail("the template has no field \"" + field + "\"");
  return continued;
}

/// The text up to the tag.
void cut_at_tag(jinja::Rendered& rendered, const Text& continued) {
  const auto [begin, end] = jinja::stripped(continued.bytes, jinja::Side::both);
  const std::string& bytes = rendered.text.bytes;
  const std::size_t at = bytes.rfind(trimmed_tag);
  if (at == std::string::npos || bytes.find(continued.bytes.substr(begin, end - begin)) == std::string::npos)
    fail("the final message, which is to be continued, does not appear in the template's text");
  const bool is_whole = std::string_view(bytes).substr(at).starts_with(tag);
  const std::size_t to =
      is_whole ? at : jinja::stripped(std::string_view(bytes).substr(0, at), jinja::Side::right).second;
  rendered.text = rendered.text.slice(0, to);
  for (auto& [first, last] : rendered.generated) {
    first = std::min(first, to);
    last = std::min(last, to);
  }
}

}  // namespace

void give(ChatInput& input, std::string_view name, const Value& value) {
  if (name == "add_generation_prompt") {
    input.add_generation_prompt = jinja::is_true(value);
  } else if (name == "continue_final_message") {
    const Text* field = value.text();
    input.continued_field = !jinja::is_true(value) ? "" : field != nullptr ? field->bytes : "content";
  } else if (name == "tools") {
    input.tools = value;
  } else if (name == "documents") {
    input.documents = value;
  } else {
    input.keyword_arguments.set(Text(std::string(name)), value);
  }
}

ChatRenderer::ChatRenderer(std::string source) : source_(std::move(source)), template_(source_) {}

jinja::Rendered ChatRenderer::render(const ChatInput& input, const jinja::RenderOptions& options) const {
  if (input.messages.list() == nullptr || input.messages.list()->items.empty())
    fail("a chat without messages");
  List messages;
  for (const Value& message : input.messages.list()->items) messages.items.push_back(normalized(message));
  Text continued;
  const bool continues = !input.continued_field.empty();
  if (continues && input.add_generation_prompt) fail("a continued message and a generation prompt");
  if (continues) {
    Dict last = *messages.items.back().dict();
    continued = mark_continued(last, input.continued_field, source_);
    messages.items.back() = std::move(last);
  }
  Dict variables;
  variables.set(Text("messages"), std::move(messages));
  variables.set(Text("tools"), input.tools);
  variables.set(Text("documents"), input.documents);
  variables.set(Text("add_generation_prompt"), input.add_generation_prompt);
  for (const auto& [name, value] : input.special_tokens.items) variables.set(name, value);
  for (const auto& [name, value] : input.keyword_arguments.items) variables.set(name, value);
  jinja::Rendered rendered = template_.render(variables, options);
  if (continues) cut_at_tag(rendered, continued);
  return rendered;
}

}  // namespace cola
