#include "data/chat_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "text/chat/origins.h"

namespace cola {
namespace {

using jinja::Value;

void require_known_roles(const ChatFormat& format, const ChatInput& chat, const std::string& where) {
  std::size_t number = 0;
  for (const Value& message : chat.messages.list()->items) {
    ++number;
    if (!format.knows_role(role_of(message))) {
      throw Error(
          fmt::format("{}: message {} has role {:?}, which neither is usual nor stands in the chat template",
                      where, number, role_of(message)));
    }
  }
}

/// What to do where a template cannot have a list of parts.
std::string hint_of(const ChatInput& chat) {
  const auto is_list = [](const Value& message) {
    const Value* content = message.dict()->find(std::string_view("content"));
    return content != nullptr && content->list() != nullptr;
  };
  return std::ranges::any_of(chat.messages.list()->items, is_list)
             ? "; a 'content' is a list of parts here: give it as one string"
             : "";
}

}  // namespace

void require_chat_format(const DataOptions& options, const std::string& where) {
  if (options.chat_format) return;
  throw UsageError(fmt::format("{}: messages need a chat template: {}", where, options.no_chat_template));
}

TrainedChat render_chat(const ChatFormat& format, ChatInput chat, const std::string& where,
                        DataReport& report) {
  require_known_roles(format, chat, where);
  const std::string hint = hint_of(chat);
  TrainedChat rendered;
  try {
    if (auto changed = format.with_object_arguments(chat)) {
      chat = *std::move(changed);
      ++report.parsed_arguments;
    }
    rendered = format.render(chat);
  } catch (const jinja::Error& error) {
    throw Error(fmt::format("{}: {}{}", where, format.describe(error), hint));
  }
  for (const ChatRemark& remark : rendered.remarks) {
    if (remark.what == parts_are_printed) throw Error(fmt::format("{}: {}{}", where, describe(remark), hint));
    auto& [count, first] = report.chat_remarks[std::string(remark.what)];
    if (count++ == 0) first = fmt::format("{}: {}", where, describe(remark));
  }
  return rendered;
}

std::string render_chat_prompt(const ChatFormat& format, const ChatInput& chat, const std::string& where) {
  require_known_roles(format, chat, where);
  try {
    return format.render_prompt(format.with_object_arguments(chat).value_or(chat));
  } catch (const jinja::Error& error) {
    throw Error(fmt::format("{}: {}{}", where, format.describe(error), hint_of(chat)));
  }
}

}  // namespace cola
