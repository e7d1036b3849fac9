#include "text/chat/turn_patterns.h"

#include <utility>

#include "text/chat/origins.h"
#include "text/chat/turns.h"

namespace cola {
namespace {

using jinja::Dict;
using jinja::List;
using jinja::Origin;
using jinja::Text;
using jinja::Value;

constexpr std::size_t most_patterns = 1000;

using Extent = std::pair<std::size_t, std::size_t>;

/// The roles, one a line; nothing for messages that are more than a role and a text.
std::optional<std::string> roles_of(const std::vector<Value>& messages) {
  std::string roles;
  for (const Value& message : messages) {
    const Dict* dict = message.dict();
    if (dict == nullptr || dict->items.size() != 2) return std::nullopt;
    const Value* role = dict->find(std::string_view("role"));
    const Value* content = dict->find(std::string_view("content"));
    if (role == nullptr || content == nullptr || role->text() == nullptr || content->text() == nullptr)
      return std::nullopt;
    roles += role->text()->bytes;
    roles += '\n';
  }
  return roles;
}

/// Where each message's text stands; nothing unless each does once, in one piece, in order.
std::optional<std::vector<Extent>> extents_of(const Text& text, std::size_t messages) {
  std::vector<Extent> extents;
  for (const Origin& origin : text.origins) {
    const std::size_t message = message_of(origin);
    if (message + 1 == extents.size()) {
      extents.back().second = origin.end;
    } else if (message == extents.size()) {
      extents.emplace_back(origin.begin, origin.end);
    } else {
      return std::nullopt;
    }
  }
  if (extents.size() != messages) return std::nullopt;
  return extents;
}

/// What stands before extent `i`; behind the last, where there is none.
std::string_view gap(const Text& text, const std::vector<Extent>& extents, std::size_t i) {
  const std::size_t begin = i == 0 ? 0 : extents[i - 1].second;
  const std::size_t end = i == extents.size() ? text.bytes.size() : extents[i].first;
  return std::string_view(text.bytes).substr(begin, end - begin);
}

/// The chat with a stand-in for each text.
ChatInput stand_in(const ChatInput& input) {
  List messages;
  for (const Value& message : input.messages.list()->items) {
    Dict changed;
    for (const auto& [key, value] : message.dict()->items) {
      const bool is_content = text_in(&key) == "content";
      changed.items.emplace_back(
          key, is_content ? Value(Text("x", part_of(messages.items.size(), ChatField::content))) : value);
    }
    messages.items.emplace_back(std::move(changed));
  }
  ChatInput changed = input;
  changed.messages = std::move(messages);
  return changed;
}

}  // namespace

std::optional<TurnPatterns::Pattern> TurnPatterns::learn(const ChatRenderer& renderer, const ChatInput& input,
                                                         const jinja::RenderOptions& options) {
  const ChatInput chat = stand_in(input);
  const std::vector<Value>& messages = chat.messages.list()->items;
  const Text text = renderer.render(chat, options).text;
  const auto extents = extents_of(text, messages.size());
  if (!extents) return std::nullopt;
  Pattern pattern;
  for (std::size_t i = 0; i <= messages.size(); ++i) pattern.gaps.emplace_back(gap(text, *extents, i));
  TurnFinder finder(renderer, chat, options, text);
  for (std::size_t k = 0; k < messages.size(); ++k) {
    if (!is_assistant(messages[k])) continue;
    const auto turn = finder.find(k);
    if (!turn) return std::nullopt;
    const std::size_t before = k == 0 ? 0 : (*extents)[k - 1].second;
    pattern.turns.push_back({turn->first - before, turn->second - (*extents)[k].second, k});
  }
  if (!finder.remarks().empty()) return std::nullopt;
  return pattern;
}

std::optional<std::vector<ChatSpan>> TurnPatterns::find(const ChatRenderer& renderer, const ChatInput& input,
                                                        const jinja::RenderOptions& options,
                                                        const Text& rendered) {
  const std::vector<Value>& messages = input.messages.list()->items;
  const auto roles = roles_of(messages);
  const auto extents = extents_of(rendered, messages.size());
  if (!roles || !extents) return std::nullopt;
  std::shared_ptr<const Pattern> pattern;
  {
    const std::scoped_lock lock(mutex_);
    const auto known = patterns_.find(*roles);
    if (known == patterns_.end() && patterns_.size() == most_patterns) return std::nullopt;
    if (known != patterns_.end()) {
      pattern = known->second;
    } else {
      try {
        if (auto learnt = learn(renderer, input, options))
          pattern = std::make_shared<const Pattern>(*std::move(learnt));
      } catch (const jinja::Error&) {
        pattern = nullptr;  // of chats whose texts are read
      }
      patterns_.emplace(*roles, pattern);
    }
  }
  if (pattern == nullptr) return std::nullopt;
  for (std::size_t i = 0; i <= messages.size(); ++i) {
    if (gap(rendered, *extents, i) != pattern->gaps[i]) return std::nullopt;
  }
  std::vector<ChatSpan> turns;
  for (const ChatSpan& turn : pattern->turns) {
    const std::size_t before = turn.message == 0 ? 0 : (*extents)[turn.message - 1].second;
    turns.push_back({before + turn.begin, (*extents)[turn.message].second + turn.end, turn.message});
  }
  return turns;
}

}  // namespace cola
