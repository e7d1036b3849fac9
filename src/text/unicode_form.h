#pragma once
#include <cstdint>
#include <string>

namespace cola {

/// Unicode's normalization forms (UAX 15): canonical or compatibility, composed or decomposed.
enum class UnicodeForm : std::uint8_t { nfc, nfd, nfkc, nfkd };

/// `text`, which must be valid UTF-8, in a normalization form as the `tokenizers` package writes it, which
/// has Unicode 9: a character that later versions added stays as it is and, as an unassigned one does, parts
/// what stands before it from what stands behind. Throws Error for a text of 2 GiB or more.
[[nodiscard]] std::string to_unicode_form(UnicodeForm form, std::string text);

}  // namespace cola
