#pragma once
#include <cstddef>
#include <string_view>

namespace cola {

/// What tokenizers' Digits step takes for digits: numbers, those of Unicode 17 too (Rust's own tables).
inline constexpr std::string_view digits_pattern = R"([\p{N}\x{11DE0}-\x{11DE9}\x{16FF4}-\x{16FF6}])";

/// A pattern that is matched by hand.
struct KnownPattern {
  std::string_view pattern;
  /// Where the match that begins at `position` ends; `position` itself where none begins there. `text` is
  /// valid UTF-8, `position` less than its size.
  std::size_t (*match)(std::string_view text, std::size_t position) = nullptr;
  bool only_digits_of_ascii = false;  ///< no match begins at another ASCII character
};

/// The patterns of widely used pre-tokenizers, several times as fast as the library and with the same matches
/// (a test compares them). Null for any other pattern.
[[nodiscard]] const KnownPattern* known_pattern(std::string_view pattern);

}  // namespace cola
