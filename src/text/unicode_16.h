#pragma once
#include <oniguruma.h>

namespace cola {

/// Oniguruma's UTF-8 with the classes of Unicode 16, those of the library inside Hugging Face's tokenizers
/// (0.23): properties, POSIX brackets, \w, \d, \b and case folding. The installed library's own are older.
/// Properties whose changes are not known here are refused as invalid names. Initialises the library.
[[nodiscard]] OnigEncodingType* unicode_16_utf8();

}  // namespace cola
