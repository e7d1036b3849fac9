#include "text/letter_case.h"

#include <fmt/format.h>
#include <unicode/bytestream.h>
#include <unicode/casemap.h>

#include <cstdint>
#include <limits>

#include "core/error.h"
#include "text/utf8.h"

namespace cola {
namespace {

using Mapping = void (*)(const char* locale, std::uint32_t options, icu::StringPiece text,
                         icu::ByteSink& sink, icu::Edits* edits, UErrorCode& status);

std::string map_case(Mapping mapping, std::string_view raw) {
  const std::string text = replace_invalid_utf8(raw);
  if (text.size() > std::numeric_limits<std::int32_t>::max())
    throw Error(fmt::format("a text of {} bytes is too long to change its letters' case", text.size()));
  std::string result;
  icu::StringByteSink<std::string> sink(&result);
  UErrorCode status = U_ZERO_ERROR;
  mapping("", 0, {text.data(), static_cast<std::int32_t>(text.size())}, sink, nullptr, status);
  if (U_FAILURE(status)) throw Error(fmt::format("changing letters' case: {}", u_errorName(status)));
  return result;
}

}  // namespace

std::string lower_case(std::string_view text) { return map_case(icu::CaseMap::utf8ToLower, text); }

std::string upper_case(std::string_view text) { return map_case(icu::CaseMap::utf8ToUpper, text); }

}  // namespace cola
