#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/letter_case.h"

#include <fmt/format.h>
#include <pcre2.h>

#include <memory>

#include "core/error.h"
#include "text/utf8.h"

namespace cola {
namespace {

struct FreeCode {
  void operator()(pcre2_code* code) const noexcept { pcre2_code_free(code); }
};

PCRE2_SPTR units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

/// `text` with every run of letters replaced by `replacement`, in PCRE2's extended syntax.
std::string substitute(std::string_view raw, std::string_view replacement) {
  const std::string text = replace_invalid_utf8(raw);
  int error = 0;
  PCRE2_SIZE error_offset = 0;
  constexpr std::string_view pattern = R"(\p{L}+)";
  const std::unique_ptr<pcre2_code, FreeCode> code(
      pcre2_compile(units(pattern), pattern.size(), PCRE2_UTF | PCRE2_UCP, &error, &error_offset, nullptr));
  if (!code) throw Error("PCRE2 is built without Unicode support: install one that has it");
  constexpr std::uint32_t options =
      PCRE2_SUBSTITUTE_GLOBAL | PCRE2_SUBSTITUTE_EXTENDED | PCRE2_SUBSTITUTE_OVERFLOW_LENGTH;
  std::string result(text.size() + 16, '\0');
  PCRE2_SIZE length = result.size();
  const auto run = [&] {
    return pcre2_substitute(code.get(), units(text), text.size(), 0, options, nullptr, nullptr,
                            units(replacement), replacement.size(),
                            reinterpret_cast<PCRE2_UCHAR*>(result.data()), &length);
  };
  int status = run();
  if (status ==
      PCRE2_ERROR_NOMEMORY) {  // a letter's other case can be longer: `length` is now what is needed
    result.resize(length);
    status = run();
  }
  if (status < 0) throw Error(fmt::format("changing the case of letters failed: PCRE2 error {}", status));
  result.resize(length);
  return result;
}

}  // namespace

std::string lower_case(std::string_view text) { return substitute(text, R"(\L$0)"); }

std::string upper_case(std::string_view text) { return substitute(text, R"(\U$0)"); }

}  // namespace cola
