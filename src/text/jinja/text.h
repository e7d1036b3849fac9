#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cola::jinja {

/// Bytes [begin, end) of a text that came from the part of the input with that number.
struct Origin {
  std::size_t begin;
  std::size_t end;
  std::int32_t part;

  [[nodiscard]] bool operator==(const Origin&) const = default;
};

/// UTF-8 that remembers which parts of the input its bytes came from.
struct Text {
  std::string bytes;
  std::vector<Origin> origins;  ///< in order, apart from each other
  bool is_markup = false;       ///< of the filter `safe`: what is added to it is escaped for HTML

  Text() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): bytes from nowhere are a text
  Text(std::string text) : bytes(std::move(text)) {}
  Text(std::string text, std::int32_t part);

  void append(const Text& other);
  void append_bytes(std::string_view other) { bytes += other; }
  /// Bytes [begin, end).
  [[nodiscard]] Text slice(std::size_t begin, std::size_t end) const;
  /// The same origins' share of other bytes: where the lengths differ, all from the only part that there is.
  [[nodiscard]] Text changed_to(std::string changed) const;
};

/// Code points of UTF-8, whose wrong bytes count as one each.
[[nodiscard]] std::size_t code_point_count(std::string_view text);
/// Where the code point that begins at byte `at` ends.
[[nodiscard]] std::size_t next_code_point(std::string_view text, std::size_t at);
/// Where code point number `index` begins; the end for more than there are.
[[nodiscard]] std::size_t byte_of_code_point(std::string_view text, std::size_t index);
/// What Python's str.isspace says of a code point.
[[nodiscard]] bool is_space(char32_t c);
[[nodiscard]] char32_t code_point_at(std::string_view text, std::size_t at);

enum class Side : std::uint8_t { both, left, right };
/// Bytes [first, second) are what str.strip leaves; of white space where `characters` is null.
[[nodiscard]] std::pair<std::size_t, std::size_t> stripped(std::string_view text, Side side,
                                                           const std::string* characters = nullptr);

/// As markupsafe writes it: & < > " ' as entities.
[[nodiscard]] Text escaped_for_html(const Text& text);

}  // namespace cola::jinja
