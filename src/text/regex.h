#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/known_patterns.h"

struct re_pattern_buffer;

namespace cola {

/// An Oniguruma pattern in Oniguruma's own syntax with the classes of Unicode 16: what the regular
/// expressions of Hugging Face's tokenizers are. Safe to use from several threads.
class Regex {
 public:
  enum class Syntax : std::uint8_t { pattern, literal };
  struct Match {
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  /// Throws Error beginning with `where` if the pattern does not compile, or if it asks for something that
  /// the installed library would match otherwise than the one inside tokenizers.
  Regex(std::string_view pattern, Syntax syntax, std::string where);

  /// All matches from left to right, not overlapping; an empty match stands only where the match before it
  /// does not end. `text` must be valid UTF-8. Throws Error if matching needs more than a bounded number of
  /// backtracking steps or memory.
  [[nodiscard]] std::vector<Match> find_all(std::string_view text) const;

 private:
  struct FreePattern {
    void operator()(re_pattern_buffer* pattern) const noexcept;
  };
  std::unique_ptr<re_pattern_buffer, FreePattern> pattern_;
  const KnownPattern* known_ = nullptr;  // the same by hand, where there is one
  std::string where_;
};

}  // namespace cola
