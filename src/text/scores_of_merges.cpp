#include "text/scores_of_merges.h"

#include <fmt/format.h>

#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "text/utf8.h"

namespace cola {
namespace {

bool is_special(GgufTokenType type) {
  return type == GgufTokenType::control || type == GgufTokenType::unknown;
}

std::string_view first_character(std::string_view text) { return text.substr(0, utf8_step(text, 0).length); }

/// Whether it is one character several times.
bool is_run(std::string_view text) {
  const std::string_view first = first_character(text);
  if (first.size() == text.size() || text.size() % first.size() != 0) return false;
  for (std::size_t at = first.size(); at < text.size(); at += first.size()) {
    if (text.substr(at, first.size()) != first) return false;
  }
  return true;
}

class ScoreFinder {
 public:
  ScoreFinder(std::span<const std::string> texts, std::span<const GgufTokenType> types,
              const std::string& where)
      : texts_(texts), types_(types), where_(where) {
    tokens_.reserve(texts.size());
    for (std::size_t id = 0; id < texts.size(); ++id) {
      if (is_special(types[id])) continue;
      tokens_.emplace(texts[id], Token());
    }
  }

  std::vector<float> scores(std::span<const BpeMerge> merges) && {
    for (const BpeMerge& merge : merges) add(merge);
    std::vector<float> found;
    found.reserve(texts_.size());
    for (std::size_t id = 0; id < texts_.size(); ++id) {
      const auto token = tokens_.find(texts_[id]);
      if (token != tokens_.end()) require_all_merges(texts_[id], token->second.merges);
      const bool is_made = token != tokens_.end() && token->second.merges > 0;
      found.push_back(is_made ? token->second.score : is_special(types_[id]) ? 0.0F : --lowest_);
    }
    return found;
  }

 private:
  struct Token {
    float score = 0.0F;
    std::size_t merges = 0;    // that make it
    std::size_t ordinary = 0;  // merges of other tokens than runs before its first
  };
  struct Runs {                // of one character
    std::size_t shortest = 0;  // bytes, so far
    bool has_pair = false;     // the merge of two single ones has come
    bool longer_first = true;
  };

  [[noreturn]] void refuse(std::string_view text, const char* why) const {
    throw Error(fmt::format("{}: those of {:?} {}: no scores say that", where_, text, why));
  }

  void add(const BpeMerge& merge) {
    text_.assign(merge.first).append(merge.second);
    const auto entry = tokens_.find(text_);
    if (entry == tokens_.end()) refuse(text_, "make no token that is text");
    Token& token = entry->second;
    const bool run = is_run(entry->first);
    const bool is_new = token.merges++ == 0;
    if (is_new) {
      token.score = --lowest_;
      token.ordinary = ordinary_;
    } else if (entry->first != before_) {
      // Runs may be mixed: whatever is the longest comes first, and grows by one character after the other.
      if (!run || token.ordinary != ordinary_) refuse(text_, "are not in one place");
      mixed_.insert(first_character(entry->first));
    }
    before_ = entry->first;
    if (run) {
      add_run(merge, is_new);
    } else {
      ++ordinary_;
    }
  }

  void add_run(const BpeMerge& merge, bool is_new) {
    const std::string_view character = first_character(before_);
    Runs& runs = runs_[character];
    if (is_new) {
      if (runs.shortest > 0 && before_.size() > runs.shortest) runs.longer_first = false;
      runs.shortest = before_.size();
    }
    if (merge.second == character && runs.has_pair) runs.longer_first = false;
    if (merge.first == character && merge.second == character) runs.has_pair = true;
    if (mixed_.contains(character) && !runs.longer_first) refuse(before_, "are not in one place");
  }

  void require_all_merges(std::string_view token, std::size_t merges) const {
    std::size_t possible = 0;
    for (std::size_t at = token.empty() ? 0 : utf8_step(token, 0).length; at < token.size();
         at += utf8_step(token, at).length)
      possible += tokens_.contains(token.substr(0, at)) && tokens_.contains(token.substr(at)) ? 1U : 0U;
    if (possible == merges) return;
    throw Error(fmt::format("{}: {:?} can be made in {} ways, of which the list has {}: no scores say that",
                            where_, token, possible, merges));
  }

  std::span<const std::string> texts_;
  std::span<const GgufTokenType> types_;
  std::string where_;
  std::unordered_map<std::string_view, Token> tokens_;  // that merges join and make
  std::unordered_map<std::string_view, Runs> runs_;     // by character
  std::unordered_set<std::string_view> mixed_;          // characters whose runs are
  std::size_t ordinary_ = 0;                            // merges of other tokens than runs
  std::string_view before_;                             // what the last merge made
  std::string text_;
  float lowest_ = 0.0F;
};

}  // namespace

std::vector<float> scores_of_merges(std::span<const std::string> texts, std::span<const GgufTokenType> types,
                                    std::span<const BpeMerge> merges, const std::string& where) {
  return ScoreFinder(texts, types, where).scores(merges);
}

}  // namespace cola
