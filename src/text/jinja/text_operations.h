#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "text/jinja/text.h"

// What Python's str does, with the origins kept.
namespace cola::jinja {

[[nodiscard]] Text lower(const Text& text);
[[nodiscard]] Text upper(const Text& text);
/// The first letter large, the others small.
[[nodiscard]] Text capitalized(const Text& text);
/// str.title: each word's, words being runs of letters.
[[nodiscard]] Text titled(const Text& text);
/// Occurrences of `old` replaced, `count` of them at most where it is not negative.
[[nodiscard]] Text replaced(const Text& text, std::string_view old, const Text& with, std::int64_t count);
/// Parts between separators (none: runs of white space), from the left or the right, `most` cuts at most
/// where it is not negative. A separator is not empty.
[[nodiscard]] std::vector<Text> split(const Text& text, const std::optional<Text>& separator,
                                      std::int64_t most, Side from);
[[nodiscard]] std::vector<Text> lines_of(const Text& text, bool keep_ends);
[[nodiscard]] Text joined(const Text& separator, const std::vector<Text>& parts);

}  // namespace cola::jinja
