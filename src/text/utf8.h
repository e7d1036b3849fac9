#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace cola {

struct Utf8Step {
  char32_t code_point = 0;  ///< U+FFFD where invalid
  std::size_t length =
      0;  ///< bytes; of invalid input the maximal subpart (Unicode 3.9, table 3-8), at least 1
  bool valid = false;
};

/// The code point at byte `position`, which must be less than text.size().
[[nodiscard]] Utf8Step utf8_step(std::string_view text, std::size_t position);

/// Where the last code point of non-empty valid UTF-8 begins.
[[nodiscard]] std::size_t last_code_point(std::string_view text);

void append_utf8(std::string& text, char32_t code_point);

/// Each maximal invalid subpart becomes one U+FFFD, as Python's errors="replace" and Rust's from_utf8_lossy
/// do.
[[nodiscard]] std::string replace_invalid_utf8(std::string_view text);

/// Without white space at both ends, as Python's str.strip: Unicode's too.
[[nodiscard]] std::string_view strip_white_space(std::string_view text);

/// Throws Error beginning with `where` and naming the byte at which `text` stops being UTF-8.
void require_utf8(std::string_view text, const std::string& where);

}  // namespace cola
