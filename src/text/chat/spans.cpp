#include "text/chat/spans.h"

#include <algorithm>
#include <iterator>

#include "text/chat/origins.h"
#include "text/chat/turn_patterns.h"
#include "text/chat/turns.h"

namespace cola {
namespace {

using jinja::Origin;
using jinja::Rendered;
using jinja::Value;

constexpr std::string_view outside_blocks =
    "is printed outside the template's generation blocks: no loss falls on it";
constexpr std::string_view foreign_in_block = "stands in the template's generation block: loss falls on it";

using Origins = std::vector<Origin>;

/// Goes through a rendered text's blocks and the messages' texts in them.
class BlockReader {
 public:
  BlockReader(const std::vector<Value>& messages, const Rendered& rendered, TrainedChat& chat)
      : messages_(messages), rendered_(rendered), chat_(chat), next_(rendered.text.origins.begin()) {}

  void read() {
    for (const auto& [begin, end] : rendered_.generated) {
      skip_to(begin);
      const std::size_t message = message_in(end);
      if (begin < end) chat_.spans.push_back({begin, end, message});
    }
    skip_to(rendered_.text.bytes.size());
  }

 private:
  /// Texts of an assistant that stand in no block carry no loss.
  void skip_to(std::size_t begin) {
    for (; next_ != rendered_.text.origins.end() && next_->end <= begin; ++next_) {
      if (is_assistant(messages_[message_of(*next_)])) remark(outside_blocks);
    }
  }

  /// Whose turn the block up to `end` is; one without a message's text belongs to the turn before it.
  std::size_t message_in(std::size_t end) {
    std::size_t message = chat_.spans.empty() ? first_answer() : chat_.spans.back().message;
    bool is_first = true;
    for (; next_ != rendered_.text.origins.end() && next_->begin < end; ++next_) {
      if (!is_assistant(messages_[message_of(*next_)])) {
        remark(foreign_in_block);
      } else if (is_first) {
        message = message_of(*next_);
        is_first = false;
      }
      if (next_->end > end) break;
    }
    return message;
  }

  [[nodiscard]] std::size_t first_answer() const {
    const auto found = std::ranges::find_if(messages_, is_assistant);
    return found != messages_.end() ? static_cast<std::size_t>(found - messages_.begin()) : 0;
  }

  void remark(std::string_view what) {
    const std::string_view text = rendered_.text.bytes;
    chat_.remarks.push_back(
        make_remark(what, message_of(*next_), text.substr(next_->begin, next_->end - next_->begin)));
  }

  const std::vector<Value>& messages_;
  const Rendered& rendered_;
  TrainedChat& chat_;
  Origins::const_iterator next_;
};

void find_turns(const ChatRenderer& renderer, const ChatInput& input, const jinja::RenderOptions& options,
                const Rendered& rendered, TrainedChat& chat) {
  TurnFinder finder(renderer, input, options, rendered.text);
  const std::vector<Value>& messages = input.messages.list()->items;
  for (std::size_t k = 0; k < messages.size(); ++k) {
    if (!is_assistant(messages[k])) continue;
    const auto turn = finder.find(k);
    if (turn && turn->first < turn->second) chat.spans.push_back({turn->first, turn->second, k});
  }
  std::ranges::copy(finder.remarks(), std::back_inserter(chat.remarks));
  std::ranges::sort(chat.spans, {}, &ChatSpan::begin);
}

/// Runs of a message's own text, each from the end of the one before.
std::vector<ChatSpan> texts_of(const Origins& origins) {
  std::vector<ChatSpan> texts;
  for (const Origin& origin : origins) {
    if (texts.empty() || texts.back().message != message_of(origin))
      texts.push_back({texts.empty() ? 0 : texts.back().end, origin.end, message_of(origin)});
    texts.back().end = origin.end;
  }
  return texts;
}

}  // namespace

TrainedChat render_for_training(const ChatRenderer& renderer, const ChatInput& input,
                                const jinja::RenderOptions& options, TurnPatterns* patterns) {
  ChatInput known = input;
  known.messages = with_origins(input.messages);
  Rendered rendered = renderer.render(known, options);
  const std::vector<Value>& messages = known.messages.list()->items;
  TrainedChat chat;
  chat.remarks = remarks_on_missing_text(messages, rendered.text);
  if (renderer.has_generation_blocks()) {
    BlockReader(messages, rendered, chat).read();
  } else if (auto turns = patterns != nullptr ? patterns->find(renderer, known, options, rendered.text)
                                              : std::nullopt) {
    std::ranges::copy_if(*turns, std::back_inserter(chat.spans),
                         [](const ChatSpan& span) { return span.begin < span.end; });
  } else {
    find_turns(renderer, known, options, rendered, chat);
  }
  chat.texts = texts_of(rendered.text.origins);
  chat.text = std::move(rendered.text.bytes);
  return chat;
}

}  // namespace cola
