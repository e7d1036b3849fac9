#include "text/chat/turns.h"

#include <algorithm>

#include "text/chat/origins.h"
#include "text/jinja/json_value.h"

namespace cola {
namespace {

using jinja::Dict;
using jinja::List;
using jinja::Origin;
using jinja::Text;
using jinja::Value;

constexpr std::string_view mixed = "stands among other messages' text: no loss falls on it";
constexpr std::string_view no_beginning =
    "does not follow a generation prompt of the template: no loss falls on it";
constexpr std::string_view other_prompt = "does not go on with all of the generation prompt, which ends in";
constexpr std::string_view no_end = "ends otherwise as the last one: no loss falls on what ends it";
constexpr std::string_view not_closed = "is not ended by the template: no loss falls on an end";

std::size_t length_of_common_prefix(std::string_view a, std::string_view b) {
  return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

/// Up to the last line end or end of a mark, not into one: "<|end|>\n<|" without "<|".
std::string_view up_to_mark(std::string_view text) { return text.substr(0, text.find_last_of("\n>") + 1); }

/// A user's turn, as message number k.
Value user_turn(std::size_t k) {
  Dict user;
  user.items.emplace_back(Text("role"), Text("user"));
  user.items.emplace_back(Text("content"), Text("x", part_of(k, ChatField::content)));
  return user;
}

/// What stands behind message k's text, which is the last; nothing where it is not printed.
std::optional<std::string_view> tail_behind(const std::optional<Text>& text, std::size_t k) {
  if (!text || text->origins.empty() || message_of(text->origins.back()) != k) return std::nullopt;
  return tail_of(*text);
}

/// What the generation prompt adds to the text without it, where both end a chat.
std::string_view cue_of(std::string_view prompt, const std::optional<Text>& unprompted) {
  if (!unprompted) return prompt;
  const std::string_view tail = tail_of(*unprompted);
  if (prompt == tail) return prompt;  // it is always there
  if (prompt.starts_with(tail)) return prompt.substr(tail.size());
  return prompt.substr(up_to_mark(prompt.substr(0, length_of_common_prefix(prompt, tail))).size());
}

}  // namespace

TurnFinder::TurnFinder(const ChatRenderer& renderer, const ChatInput& input,
                       const jinja::RenderOptions& options, const Text& rendered)
    : renderer_(renderer), input_(input), options_(options), rendered_(rendered) {}

void TurnFinder::remark(std::string_view what, std::size_t message, std::string_view about) {
  remarks_.push_back(make_remark(what, message, about));
}

/// The text of other messages than the chat's own; nothing where the template refuses them.
std::optional<Text> TurnFinder::render_others(List others, bool add_generation_prompt) const {
  ChatInput input = input_;
  input.messages = std::move(others);
  input.add_generation_prompt = add_generation_prompt;
  input.continued_field.clear();
  try {
    return renderer_.render(input, options_).text;
  } catch (const jinja::Error&) {
    return std::nullopt;
  }
}

List TurnFinder::first(std::size_t count) const {
  List list;
  list.items.assign(messages().begin(), messages().begin() + static_cast<std::ptrdiff_t>(count));
  return list;
}

std::optional<TurnFinder::Extent> TurnFinder::extent_of(std::size_t k) {
  const std::vector<Origin>& origins = rendered_.origins;
  const auto is_own = [&](const Origin& origin) { return message_of(origin) == k; };
  while (next_ < origins.size() && !is_own(origins[next_])) ++next_;
  if (next_ == origins.size()) next_ = 0;  // the template has another order
  const auto first =
      std::find_if(origins.begin() + static_cast<std::ptrdiff_t>(next_), origins.end(), is_own);
  if (first == origins.end()) return std::nullopt;
  auto last = first;
  while (last != origins.end() && is_own(*last)) ++last;
  next_ = static_cast<std::size_t>(last - origins.begin());
  return Extent{first == origins.begin() ? 0 : std::prev(first)->end, first->begin, std::prev(last)->end,
                last == origins.end() ? text().size() : last->begin};
}

std::optional<std::pair<std::size_t, std::size_t>> TurnFinder::find(std::size_t k) {
  std::optional<Extent> own = extent_of(k);
  if (!own) return std::nullopt;
  const bool is_moved = k + 1 == messages().size() && own->after < text().size();
  if (is_moved || (may_be_printed_again(k) && !take_extent_alone(k, *own))) {
    remark(mixed, k);
    return std::nullopt;
  }
  const auto begin = begin_of(k, *own);
  if (!begin) return std::nullopt;
  return std::pair(*begin, end_of(k, *own));
}

/// Whether the answers of the tools behind a message may have the names of its calls, which are its text,
/// too. A template that did so in none of many messages does not.
bool TurnFinder::may_be_printed_again(std::size_t k) {
  constexpr int many = 16;
  if (k + 1 == messages().size() || !has_calls(messages()[k])) return false;
  return prints_again_ || looked_at_++ < many;
}

/// The message's text ends where it ends without the messages behind it; false where it is another then.
bool TurnFinder::take_extent_alone(std::size_t k, Extent& own) {
  const std::optional<Text> alone = render_others(first(k + 1), false);
  if (!alone) return false;
  const auto begin =
      std::ranges::find_if(alone->origins, [&](const Origin& origin) { return message_of(origin) == k; });
  if (begin == alone->origins.end()) return false;
  const std::size_t length = alone->origins.back().end - begin->begin;
  if (text().substr(own.begin, length) != std::string_view(alone->bytes).substr(begin->begin, length))
    return false;
  if (own.begin + length == own.end) return true;
  prints_again_ = true;
  own.end = own.begin + length;
  const auto next = std::ranges::lower_bound(rendered_.origins, own.end, {}, &Origin::begin);
  own.after = next == rendered_.origins.end() ? text().size() : next->begin;
  return true;
}

/// Where the generation prompt before message k ends; nothing where that cannot be told.
std::optional<std::size_t> TurnFinder::begin_of(std::size_t k, const Extent& own) {
  const std::string_view gap = text().substr(own.before, own.begin - own.before);
  const std::string_view before = k == 0 ? std::string_view() : role_of(messages()[k - 1]);
  const auto known = beginnings_.find({std::string(before), std::string(gap)});
  if (known != beginnings_.end()) {
    const auto& [length, rest] = known->second;
    if (!rest.empty()) remark(other_prompt, k, rest);
    return own.before + length;
  }
  List earlier = first(k);
  if (k == 0) earlier.items.push_back(user_turn(1));
  const std::optional<Text> prompted = render_others(earlier, true);
  if (!prompted) {
    remark(no_beginning, k, gap);
    return std::nullopt;
  }
  const std::string_view prompt = tail_of(*prompted);
  const auto is_at = [&](std::size_t length, std::string_view rest = {}) {
    beginnings_[{std::string(before), std::string(gap)}] = {length, std::string(rest)};
    if (!rest.empty()) remark(other_prompt, k, rest);
    return own.before + length;
  };
  if (gap.starts_with(prompt)) return is_at(prompt.size());
  if (text().substr(own.before).starts_with(prompt)) return own.before + prompt.size();
  // The message before may end otherwise here: the prompt's own part is looked for, as much as there is of
  // it.
  const std::string_view cue = cue_of(prompt, render_others(std::move(earlier), false));
  for (std::size_t length = cue.size(); length > 0; length = up_to_mark(cue.substr(0, length - 1)).size()) {
    const std::size_t at = gap.rfind(cue.substr(0, length));
    if (at == std::string_view::npos) continue;
    const bool is_first_mark = length < cue.size() && up_to_mark(cue.substr(0, length - 1)).empty();
    if (is_first_mark && opens_a_users_turn(cue.substr(0, length))) break;
    return is_at(at + length, cue.substr(length));
  }
  remark(no_beginning, k, gap);
  return std::nullopt;
}

/// Whether a mark stands before a user's text.
bool TurnFinder::opens_a_users_turn(std::string_view mark) const {
  List chat;
  chat.items.push_back(user_turn(0));
  const std::optional<Text> text = render_others(std::move(chat), false);
  if (!text || text->origins.empty()) return true;
  return std::string_view(text->bytes).substr(0, text->origins.front().begin).find(mark) !=
         std::string_view::npos;
}

/// The first mark of what the generation prompt adds after a user's turn: it opens turns. May be empty.
std::string TurnFinder::opening_mark() const {
  List chat;
  chat.items.push_back(user_turn(0));
  const std::optional<Text> prompted = render_others(chat, true);
  if (!prompted) return {};
  const std::string_view cue = cue_of(tail_of(*prompted), render_others(std::move(chat), false));
  return cue.starts_with('<') ? std::string(cue.substr(0, cue.find('>') + 1)) : std::string();
}

/// The text behind message k where a user's follows; nothing where the template refuses that.
std::optional<std::string> TurnFinder::text_before_user(std::size_t k) const {
  List more = first(k + 1);
  more.items.push_back(user_turn(k + 1));
  const std::optional<Text> text = render_others(std::move(more), false);
  if (!text) return std::nullopt;
  std::optional<std::size_t> from;
  std::size_t to = text->bytes.size();
  for (const Origin& origin : text->origins) {
    if (message_of(origin) == k) from = origin.end;
    if (message_of(origin) == k + 1) to = std::min(to, origin.begin);
  }
  if (!from || *from > to) return std::nullopt;
  return text->bytes.substr(*from, to - *from);
}

/// What ends message k, white space behind left out; nothing where that cannot be told. `alone`: the text
/// behind it where it is the last, without a generation prompt; `followed`: where another message follows.
std::optional<std::string> TurnFinder::closing_of(std::size_t k, std::string_view alone,
                                                  std::string_view followed, bool is_last) {
  const std::string closing(without_space_behind(alone));
  if (followed.starts_with(closing)) return closing;
  const std::optional<Text> prompted = render_others(first(k + 1), true);
  const std::string_view prompt = tail_behind(prompted, k).value_or(alone);
  always_prompts_ = prompt == alone;
  if (always_prompts_) return std::nullopt;  // a generation prompt is in it
  if (is_last) return closing;
  const std::size_t common = length_of_common_prefix(alone, followed);
  const std::string_view ended = without_space_behind(up_to_mark(followed.substr(0, common)));
  if (!ended.empty()) return std::string(ended);
  const std::string mark = opening_mark();
  const std::size_t at = mark.empty() ? 0 : followed.find(mark);
  if (at == std::string_view::npos || at == 0) return std::nullopt;
  return std::string(without_space_behind(followed.substr(0, at)));
}

std::size_t TurnFinder::end_of(std::size_t k, const Extent& own) {
  if (k + 1 == messages().size() && !input_.continued_field.empty()) return text().size();
  const bool is_last = k + 1 == messages().size() && !input_.add_generation_prompt;
  const std::string_view behind = text().substr(own.end, own.after - own.end);
  const std::pair key(has_calls(messages()[k]), is_last);
  const auto known = closings_.find(key);
  if (always_prompts_) {
    remark(no_end, k, without_space_behind(behind));
    return own.end;
  }
  if (known != closings_.end() && behind.starts_with(known->second)) return own.end + known->second.size();
  const std::optional<Text> last = is_last ? std::nullopt : render_others(first(k + 1), false);
  const std::optional<std::string_view> alone = is_last ? behind : tail_behind(last, k);
  std::optional<std::string> closing;
  if (alone) {
    const auto followed = is_last ? text_before_user(k) : std::string(behind);
    closing = closing_of(k, *alone, followed ? *followed : *alone, is_last);
  } else if (std::string usual = cola::end_of_turn(renderer_, input_, options_); !usual.empty()) {
    closing = std::move(usual);  // which the text behind has to be
  }
  if (!closing || !behind.starts_with(*closing)) {
    remark(no_end, k, without_space_behind(behind));
    return own.end;
  }
  if (closing->empty()) remark(not_closed, k);
  closings_[key] = *closing;
  return own.end + closing->size();
}

std::string TurnFinder::closing_of_last() {
  const std::size_t k = messages().size() - 1;
  const std::string_view alone = tail_of(rendered_);
  const auto followed = text_before_user(k);
  return closing_of(k, alone, followed ? *followed : alone, true).value_or("");
}

std::string end_of_turn(const ChatRenderer& renderer, const ChatInput& input,
                        const jinja::RenderOptions& options) {
  ChatInput probe = input;
  probe.messages = with_origins(
      jinja::value_of_json(R"([{"role":"user","content":"x"},{"role":"assistant","content":"y"}])"));
  probe.add_generation_prompt = false;
  probe.continued_field.clear();
  try {
    const Text rendered = renderer.render(probe, options).text;
    return TurnFinder(renderer, probe, options, rendered).closing_of_last();
  } catch (const jinja::Error&) {
    return {};
  }
}

}  // namespace cola
