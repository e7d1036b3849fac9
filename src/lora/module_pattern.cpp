#include "lora/module_pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

#include "core/error.h"
#include "io/printable.h"

namespace cola {
namespace {

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_plain(std::string_view key) {
  return std::ranges::all_of(
      key, [](char c) { return is_letter_or_digit(c) || c == '_' || c == '-' || c == '.'; });
}

/// Goes through a pattern once, and refuses what regular expression engines read in different ways.
class SyntaxCheck {
 public:
  SyntaxCheck(std::string_view pattern, const std::string& where) : pattern_(pattern), where_(where) {}

  void run() {
    while (at_ < pattern_.size()) step();
    if (groups_ != 0) refuse("a group that is not closed");
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    throw Error(fmt::format("{}: the pattern '{}' has {}, which is not supported", where_,
                            printable(pattern_), what));
  }
  [[nodiscard]] bool next_is(std::string_view text) const { return pattern_.substr(at_).starts_with(text); }

  void step() {
    const char c = pattern_[at_];
    if (c < 0x20 || c > 0x7e) refuse("a character outside ASCII");
    if (c == '\\') return escape("dDwWsSbBAZ");
    if (c == '[') return character_class();
    if (c == '(') return open_group();
    if (c == '*' || c == '+' || c == '?' || c == '{') return quantifier();
    if (c == ']' || c == '}') refuse(fmt::format("a '{}' without its beginning", c));
    if (c == ')' && --groups_ < 0) refuse("a ')' without its beginning");
    repeatable_ = c != '|' && c != '^' && c != '$';
    ++at_;
  }

  void escape(std::string_view letters) {
    if (at_ + 1 == pattern_.size()) refuse("a '\\' at its end");
    const char next = pattern_[at_ + 1];
    const bool known = next > 0x20 && next < 0x7f &&
                       (!is_letter_or_digit(next) || letters.find(next) != std::string_view::npos);
    if (!known) refuse(fmt::format("'{}'", printable(pattern_.substr(at_, 2))));
    repeatable_ = next != 'b' && next != 'B' && next != 'A' && next != 'Z';
    at_ += 2;
  }

  void character_class() {
    ++at_;
    if (next_is("^")) ++at_;
    if (next_is("]")) refuse("a class that begins with ']'");
    while (!next_is("]")) {
      if (at_ == pattern_.size()) refuse("a class that is not closed");
      for (const char* set : {"&&", "||", "--", "~~", "["}) {
        if (next_is(set)) refuse(fmt::format("'{}' in a class", set));
      }
      if (next_is("\\")) {
        escape("dDwWsS");
      } else {
        ++at_;
      }
    }
    ++at_;
    repeatable_ = true;
  }

  void open_group() {
    ++at_;
    if (next_is("?")) {
      const auto kinds = {"?:", "?=", "?!", "?<=", "?<!"};
      const auto* const kind = std::ranges::find_if(kinds, [&](const char* each) { return next_is(each); });
      if (kind == kinds.end()) refuse(fmt::format("the group '({}'", printable(pattern_.substr(at_, 2))));
      at_ += std::string_view(*kind).size();
    }
    ++groups_;
    repeatable_ = false;
  }

  void quantifier() {
    const std::size_t begin = at_;
    const bool exact = pattern_[at_] == '{' && !range();
    ++at_;
    if (!repeatable_)
      refuse(fmt::format("a quantifier of nothing, '{}'", pattern_.substr(begin, at_ - begin)));
    if (next_is("?")) {  // as few as possible; "{2}?" is read as that, or as a second quantifier
      if (exact) refuse("a '?' after a count");
      ++at_;
    }
    repeatable_ = false;
  }

  /// {n}, {n,} or {n,m}, up to its last character; whether it has a comma.
  bool range() {
    const std::size_t end = pattern_.find('}', at_);
    const std::string_view inside =
        end == std::string_view::npos ? std::string_view() : pattern_.substr(at_ + 1, end - at_ - 1);
    const std::size_t comma = std::min(inside.find(','), inside.size());
    const auto is_count = [](std::string_view text, std::size_t least) {
      return text.size() >= least && text.size() <= 3 &&
             std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
    };
    if (!is_count(inside.substr(0, comma), 1) ||
        (comma < inside.size() && !is_count(inside.substr(comma + 1), 0))) {
      refuse("a '{' that is not {n}, {n,} or {n,m} with counts below 1000");
    }
    at_ = end;
    return comma < inside.size();
  }

  std::string_view pattern_;
  const std::string& where_;
  std::size_t at_ = 0;
  int groups_ = 0;
  bool repeatable_ = false;  ///< whether a quantifier may follow
};

/// Whether the names are alike, where a '.' of the key is any character.
bool matches_plain(std::string_view key, std::string_view name) {
  return std::ranges::equal(key, name, [](char k, char n) { return k == '.' || k == n; });
}

}  // namespace

Regex python_regex(std::string_view prefix, std::string_view pattern, std::string_view suffix,
                   const std::string& where) {
  SyntaxCheck(pattern, where).run();
  return {fmt::format("{}(?:{}){}", prefix, pattern, suffix), Regex::Syntax::pattern, where};
}

ModulePattern::ModulePattern(std::string key, const std::string& where) : key_(std::move(key)) {
  if (!is_plain(key_)) regex_ = python_regex(R"(\A(?:.*\.)?)", key_, R"(\z)", where);
}

bool ModulePattern::matches(std::string_view module) const {
  if (regex_) return !regex_->find_all(module).empty();
  if (key_.size() > module.size() || !matches_plain(key_, module.substr(module.size() - key_.size())))
    return false;
  return key_.size() == module.size() || module[module.size() - key_.size() - 1] == '.';
}

}  // namespace cola
