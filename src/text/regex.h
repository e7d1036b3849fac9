#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct pcre2_real_code_8;

namespace cola {

/// A Unicode-aware PCRE2 pattern (UTF and UCP), safe to use from several threads. One known difference from
/// the engines of Hugging Face: PCRE2's \s includes U+180E.
class Regex {
 public:
  enum class Syntax : std::uint8_t { pattern, literal };
  struct Match {
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  /// Throws Error beginning with `where` if the pattern does not compile.
  Regex(std::string_view pattern, Syntax syntax, std::string where);

  /// All non-empty matches from left to right, not overlapping. `text` must be valid UTF-8. Throws Error if
  /// matching needs more than a bounded number of backtracking steps or memory.
  [[nodiscard]] std::vector<Match> find_all(std::string_view text) const;

 private:
  struct FreeCode {
    void operator()(pcre2_real_code_8* code) const noexcept;
  };
  std::unique_ptr<pcre2_real_code_8, FreeCode> code_;
  std::string where_;
};

}  // namespace cola
