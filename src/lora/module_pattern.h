#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "text/regex.h"

namespace cola {

/// prefix(?:pattern)suffix as a regular expression. `pattern` is one of Python's `re`, of which the part is
/// taken that means the same here: literals, '.', classes, groups, alternatives, lookaround, quantifiers,
/// anchors. Throws Error beginning with `where` for the rest, by name, and for a pattern that does not
/// compile.
[[nodiscard]] Regex python_regex(std::string_view prefix, std::string_view pattern, std::string_view suffix,
                                 const std::string& where);

/// A key of PEFT's rank_pattern and alpha_pattern: it matches a module by re.match(rf"(.*\.)?({key})$",
/// name), so a plain name matches at the end, and its dots stand for any character.
class ModulePattern {
 public:
  ModulePattern(std::string key, const std::string& where);  ///< throws Error as python_regex does
  /// Throws Error if matching takes more steps than Regex allows.
  [[nodiscard]] bool matches(std::string_view module) const;
  [[nodiscard]] const std::string& key() const { return key_; }

 private:
  std::string key_;
  std::optional<Regex> regex_;  ///< none where the key is a plain name
};

}  // namespace cola
