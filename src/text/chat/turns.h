#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/chat/remarks.h"
#include "text/chat/rendering.h"

namespace cola {

/// Finds an assistant's turns in a rendered chat by where its text comes from. `input`, whose messages are
/// with_origins, what it was rendered from. Few prefixes of the chat are rendered for it, however many turns
/// there are: what stands between two texts is looked at once.
class TurnFinder {
 public:
  TurnFinder(const ChatRenderer& renderer, const ChatInput& input, const jinja::RenderOptions& options,
             const jinja::Text& rendered);

  /// Bytes [first, second) of message k's turn: from the end of the generation prompt before it to what ends
  /// it, white space behind that left out. Nothing where it is not printed or cannot be told. Messages are
  /// asked for in order.
  [[nodiscard]] std::optional<std::pair<std::size_t, std::size_t>> find(std::size_t k);
  /// What ends message k, which is the last and an assistant's; empty where that cannot be told.
  [[nodiscard]] std::string closing_of_last();
  /// Of turns that could not be found whole.
  [[nodiscard]] const std::vector<ChatRemark>& remarks() const { return remarks_; }

 private:
  /// Where a message's text stands.
  struct Extent {
    std::size_t before;  ///< end of what an earlier text of another message wrote
    std::size_t begin, end;
    std::size_t after;  ///< beginning of another message's text behind, or the end of all
  };

  [[nodiscard]] const std::vector<jinja::Value>& messages() const { return input_.messages.list()->items; }
  [[nodiscard]] std::string_view text() const { return rendered_.bytes; }
  void remark(std::string_view what, std::size_t message, std::string_view about = {});
  [[nodiscard]] jinja::List first(std::size_t count) const;
  [[nodiscard]] std::optional<jinja::Text> render_others(jinja::List others,
                                                         bool add_generation_prompt) const;

  [[nodiscard]] std::optional<Extent> extent_of(std::size_t k);
  [[nodiscard]] bool may_be_printed_again(std::size_t k);
  [[nodiscard]] bool take_extent_alone(std::size_t k, Extent& own);
  [[nodiscard]] std::optional<std::size_t> begin_of(std::size_t k, const Extent& own);
  [[nodiscard]] bool opens_a_users_turn(std::string_view mark) const;
  [[nodiscard]] std::string opening_mark() const;
  [[nodiscard]] std::optional<std::string> text_before_user(std::size_t k) const;
  [[nodiscard]] std::optional<std::string> closing_of(std::size_t k, std::string_view alone,
                                                      std::string_view followed, bool is_last);
  [[nodiscard]] std::size_t end_of(std::size_t k, const Extent& own);

  const ChatRenderer& renderer_;
  const ChatInput& input_;
  const jinja::RenderOptions& options_;
  const jinja::Text& rendered_;
  std::vector<ChatRemark> remarks_;
  std::size_t next_ = 0;  // of the origins
  bool prints_again_ = false;
  bool always_prompts_ = false;  // the template asks for an answer behind any text
  int looked_at_ = 0;            // messages, for that
  /// By the role and the text before: how much of that is no turn's, and what of the prompt it lacks.
  std::map<std::pair<std::string, std::string>, std::pair<std::size_t, std::string>> beginnings_;
  std::map<std::pair<bool, bool>, std::string> closings_;  // by whether it calls, and is the last
};

/// What ends an assistant's turn in this template, white space behind it left out; empty where that cannot be
/// told or where there is nothing. `input`: its messages are not looked at.
[[nodiscard]] std::string end_of_turn(const ChatRenderer& renderer, const ChatInput& input,
                                      const jinja::RenderOptions& options);

}  // namespace cola
