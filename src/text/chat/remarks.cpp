#include "text/chat/remarks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>

#include "text/chat/origins.h"

namespace cola {
namespace {

using jinja::Dict;
using jinja::List;
using jinja::Origin;
using jinja::Text;
using jinja::Value;

constexpr std::string_view left_out = "is left out by the template";
constexpr std::string_view partly_left_out = "is left out in part by the template";
constexpr std::string_view reasoning_left_out = "has reasoning that the template leaves out";
constexpr std::string_view calls_left_out = "has tool calls that the template leaves out";
constexpr std::string_view calls_partly_left_out = "has tool calls that the template leaves out in part";
constexpr std::string_view printed_twice = "is printed more than once";

std::ptrdiff_t bytes_but_space(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return c != ' ' && (c < '\t' || c > '\r'); });
}

/// A field's texts one after the other: a string, or a list of parts of text.
std::string text_of_field(const Value* value) {
  if (value == nullptr) return {};
  std::string text(text_in(value));
  if (const List* parts = value->list()) {
    for (const Value& part : parts->items) {
      if (part.dict() != nullptr) text += text_in(part.dict()->find(std::string_view("text")));
    }
  }
  return text;
}

/// Whether every notation writes the text as it is.
bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](unsigned char c) {
    return c >= ' ' && c < 0x7F &&
           std::string_view("\"'\\<>&").find(static_cast<char>(c)) == std::string_view::npos;
  });
}

/// The first plain text in `value` that `printed` lacks.
std::string_view missing_in(const Value& value, std::string_view printed) {
  if (const Text* text = value.text()) {
    const std::string_view wanted = without_space(text->bytes);
    const bool is_there = !is_plain(wanted) || printed.find(wanted) != std::string_view::npos;
    return is_there ? std::string_view() : wanted;
  }
  std::vector<const Value*> items;
  if (value.list() != nullptr) {
    for (const Value& item : value.list()->items) items.push_back(&item);
  }
  if (value.dict() != nullptr) {
    for (const auto& [key, item] : value.dict()->items) items.push_back(&item);
  }
  for (const Value* item : items) {
    if (const std::string_view missing = missing_in(*item, printed); !missing.empty()) return missing;
  }
  return {};
}

/// The first name or text of an argument of a message's calls that `printed` lacks.
std::string_view missing_text(const Value& message, std::string_view printed) {
  const List* calls = message.dict()->find(std::string_view("tool_calls"))->list();
  if (calls == nullptr) return {};
  for (const Value& call : calls->items) {
    if (call.dict() == nullptr) continue;
    const Value* function = call.dict()->find(std::string_view("function"));
    const Dict* inner = function != nullptr ? function->dict() : call.dict();
    if (inner == nullptr) continue;
    for (const char* key : {"name", "arguments"}) {
      const Value* value = inner->find(std::string_view(key));
      const std::string_view missing = value != nullptr ? missing_in(*value, printed) : std::string_view();
      if (!missing.empty()) return missing;
    }
  }
  return {};
}

/// Compares a text with what is printed of it.
void compare(std::size_t k, std::string_view wanted, std::string_view printed,
             std::vector<ChatRemark>& remarks) {
  if (wanted.empty() || without_space(printed) == wanted) return;
  if (without_space(printed).empty()) return remarks.push_back(make_remark(left_out, k, wanted));
  if (bytes_but_space(printed) < bytes_but_space(wanted))
    return remarks.push_back(make_remark(partly_left_out, k, wanted));
  const std::size_t first = printed.find(wanted);
  if (first != std::string_view::npos &&
      printed.find(wanted, first + wanted.size()) != std::string_view::npos)
    remarks.push_back(make_remark(printed_twice, k, wanted));
}

/// The reasoning of a message, under whatever name.
std::string_view reasoning_of(const Value& message) {
  for (const auto& [key, value] : message.dict()->items) {
    if (field_of(text_in(&key)) == ChatField::reasoning) return without_space(text_in(&value));
  }
  return {};
}

/// The beginning of a text, for a remark.
std::string shortened(std::string_view text) {
  constexpr std::size_t most = 60;  // characters
  const std::size_t end = jinja::byte_of_code_point(text, most);
  return std::string(text.substr(0, end)) + (end < text.size() ? "..." : "");
}

}  // namespace

ChatRemark make_remark(std::string_view what, std::size_t message, std::string_view text) {
  return {what, message, shortened(text)};
}

std::string describe(const ChatRemark& remark) {
  return fmt::format("message {} {}{}", remark.message + 1, remark.what,
                     remark.text.empty() ? "" : fmt::format(": {:?}", remark.text));
}

std::vector<ChatRemark> remarks_on_missing_text(const std::vector<Value>& messages, const Text& text) {
  std::map<std::int32_t, std::string> printed;
  for (const Origin& origin : text.origins)
    printed[origin.part].append(text.bytes, origin.begin, origin.end - origin.begin);
  std::vector<ChatRemark> remarks;
  for (std::size_t k = 0; k < messages.size(); ++k) {
    const std::string content = text_of_field(messages[k].dict()->find(std::string_view("content")));
    compare(k, without_space(content), printed[part_of(k, ChatField::content)], remarks);
    if (!printed[part_of(k, ChatField::shape)].empty())
      remarks.push_back(make_remark(parts_are_printed, k, content));
    if (!is_assistant(messages[k])) continue;
    const std::string_view reasoning = reasoning_of(messages[k]);
    if (!reasoning.empty() && printed[part_of(k, ChatField::reasoning)].empty())
      remarks.push_back(make_remark(reasoning_left_out, k, reasoning));
    if (!has_calls(messages[k])) continue;
    const std::string& calls = printed[part_of(k, ChatField::calls)];
    if (calls.empty()) {
      remarks.push_back(make_remark(calls_left_out, k));
    } else if (const std::string_view missing = missing_text(messages[k], calls); !missing.empty()) {
      remarks.push_back(make_remark(calls_partly_left_out, k, missing));
    }
  }
  return remarks;
}

}  // namespace cola
