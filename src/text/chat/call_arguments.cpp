#include "text/chat/call_arguments.h"

#include <fmt/format.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "text/chat/origins.h"
#include "text/jinja/error.h"
#include "text/jinja/json_value.h"

namespace cola {
namespace {

using jinja::Dict;
using jinja::List;
using jinja::Text;
using jinja::Value;

constexpr std::string_view calls_key = "tool_calls";
constexpr std::string_view function_key = "function";
constexpr std::string_view arguments_key = "arguments";

/// What replaces the arguments of a call, which are text: of message `message`, both counted from 1.
using Change = std::function<Value(const Text& arguments, std::size_t message, std::size_t call)>;

Dict with_member(const Dict& dict, std::string_view key, Value value) {
  Dict changed = dict;
  changed.set(Text(std::string(key)), std::move(value));
  return changed;
}

/// The call with changed arguments: they stand in "function", or in the call itself.
Value changed_call(const Value& call, const std::function<Value(const Text&)>& change) {
  if (call.dict() == nullptr) return call;
  if (const Value* function = call.dict()->find(function_key))
    return with_member(*call.dict(), function_key, changed_call(*function, change));
  const Value* arguments = call.dict()->find(arguments_key);
  if (arguments == nullptr || arguments->text() == nullptr) return call;
  return with_member(*call.dict(), arguments_key, change(*arguments->text()));
}

Value changed_messages(const Value& messages, const Change& change) {
  List all;
  for (const Value& message : messages.list()->items) {
    const std::size_t number = all.items.size() + 1;
    const Value* calls = message.dict() != nullptr ? message.dict()->find(calls_key) : nullptr;
    if (calls == nullptr || calls->list() == nullptr) {
      all.items.push_back(message);
      continue;
    }
    List changed;
    for (const Value& call : calls->list()->items) {
      const std::size_t call_number = changed.items.size() + 1;
      changed.items.push_back(
          changed_call(call, [&](const Text& text) { return change(text, number, call_number); }));
    }
    all.items.emplace_back(with_member(*message.dict(), calls_key, std::move(changed)));
  }
  return all;
}

/// Calls `use` with every text of arguments and the number of its message, from 0.
void for_each_text(const Value& messages, const std::function<void(const Text&, std::size_t)>& use) {
  (void)changed_messages(messages, [&](const Text& text, std::size_t message, std::size_t) {
    use(text, message - 1);
    return Value(text);
  });
}

/// All that a message's calls have in the rendered text.
std::string printed_calls(const Text& rendered, std::size_t message) {
  std::string printed;
  for (const jinja::Origin& origin : rendered.origins) {
    if (origin.part == part_of(message, ChatField::calls))
      printed.append(rendered.bytes, origin.begin, origin.end - origin.begin);
  }
  return printed;
}

}  // namespace

bool have_text_arguments(const Value& messages) {
  bool found = false;
  for_each_text(messages, [&](const Text&, std::size_t) { found = true; });
  return found;
}

bool are_written_plainly(const Value& messages, const Text& rendered) {
  bool plainly = true;
  for_each_text(messages, [&](const Text& text, std::size_t message) {
    const std::string_view arguments = without_space(text.bytes);
    const auto stands_in = [&](std::string_view before, std::string_view after) {
      return rendered.bytes.find(fmt::format("{}{}{}", before, arguments, after)) != std::string::npos;
    };
    // {} looks the same inside of a string. Braces around an object are a template's that names its members.
    const bool is_quoted = arguments.find('"') == std::string_view::npos && stands_in("\"", "\"");
    plainly = plainly && stands_in("", "") && !is_quoted && !stands_in("{", "}") &&
              printed_calls(rendered, message).find(arguments) != std::string::npos;
  });
  return plainly;
}

Value with_object_arguments(const Value& messages) {
  return changed_messages(messages, [](const Text& text, std::size_t message, std::size_t call) -> Value {
    std::string reason = "it is no object";
    try {
      Value value = jinja::value_of_json(text.bytes);
      if (value.dict() != nullptr) return value;
    } catch (const jinja::Error& error) {
      reason = error.what();
    }
    jinja::fail(
        fmt::format("message {}: tool call {}: 'arguments' is text that is not written as it is, and "
                    "as JSON: {}",
                    message, call, reason));
  });
}

}  // namespace cola
