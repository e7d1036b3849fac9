#include "text/characters.h"

#include <unicode/uchar.h>

namespace cola {

bool is_word_character(char32_t c) {
  const auto character = static_cast<UChar32>(c);
  return c == '_' || (U_GET_GC_MASK(character) & U_GC_L_MASK) != 0 ||
         u_getNumericValue(character) != U_NO_NUMERIC_VALUE;
}

std::int32_t decimal_digit_value(char32_t c) { return u_charDigitValue(static_cast<UChar32>(c)); }

bool is_whitespace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

}  // namespace cola
