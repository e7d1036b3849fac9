#include "io/printable.h"

#include <algorithm>

namespace cola {

std::string printable(std::string_view text) {
  constexpr std::size_t limit = 200;
  std::string result(text.substr(0, limit));
  std::replace_if(
      result.begin(), result.end(),
      [](char character) { return static_cast<unsigned char>(character) < 0x20 || character == 0x7f; }, '?');
  if (text.size() > limit) {
    // A multi-byte UTF-8 character that was cut in two goes.
    if ((static_cast<unsigned char>(text[limit]) & 0xc0U) == 0x80U) {
      while (!result.empty() && (static_cast<unsigned char>(result.back()) & 0xc0U) == 0x80U)
        result.pop_back();
      if (!result.empty()) result.pop_back();
    }
    result += "...";
  }
  return result;
}

}  // namespace cola
