#include "text/unicode_form.h"

#include <fmt/format.h>
#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uniset.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "core/error.h"

namespace cola {
namespace {

void require_success(UErrorCode status) {
  if (U_FAILURE(status)) throw Error(fmt::format("normalising a text: {}", u_errorName(status)));
}

/// What Unicode 9 has: the properties that normalization follows never change once a character has them.
icu::UnicodeSet make_characters() {
  UErrorCode status = U_ZERO_ERROR;
  icu::UnicodeSet characters(u"[:Age=9.0:]", status);
  require_success(status);
  characters.freeze();
  return characters;
}

/// The library's normalizer, by its own version of Unicode.
const icu::Normalizer2& newest(UnicodeForm form) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = nullptr;
  switch (form) {
    case UnicodeForm::nfc:
      normalizer = icu::Normalizer2::getNFCInstance(status);
      break;
    case UnicodeForm::nfd:
      normalizer = icu::Normalizer2::getNFDInstance(status);
      break;
    case UnicodeForm::nfkc:
      normalizer = icu::Normalizer2::getNFKCInstance(status);
      break;
    case UnicodeForm::nfkd:
      normalizer = icu::Normalizer2::getNFKDInstance(status);
      break;
  }
  require_success(status);
  return *normalizer;
}

}  // namespace

std::string to_unicode_form(UnicodeForm form, std::string text) {
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (std::ranges::all_of(text, is_ascii)) return text;
  if (text.size() > std::numeric_limits<std::int32_t>::max())
    throw Error(fmt::format("a text of {} bytes is too long to be normalised", text.size()));
  const icu::StringPiece piece(text.data(), static_cast<std::int32_t>(text.size()));
  UErrorCode status = U_ZERO_ERROR;
  // Most texts are. Any part of a normalised text is normalised, too, by Unicode 9 as by later ones.
  const bool normalised = newest(form).isNormalizedUTF8(piece, status) != 0;
  require_success(status);
  if (normalised) return text;
  static const icu::UnicodeSet characters = make_characters();
  std::string result;
  icu::StringByteSink<std::string> sink(&result, piece.size());
  icu::FilteredNormalizer2(newest(form), characters).normalizeUTF8(0, piece, sink, nullptr, status);
  require_success(status);
  return result;
}

}  // namespace cola
