#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <fmt/format.h>
#include <pcre2.h>

#include <array>
#include <new>

#include "core/error.h"
#include "text/utf8.h"

namespace cola {

namespace {

constexpr std::uint32_t backtracking_limit = 50'000'000;
constexpr std::uint32_t heap_limit_kib = 256 * 1024;
constexpr std::size_t pattern_size_limit = 64 * 1024;

struct FreeMatchData {
  void operator()(pcre2_match_data* data) const noexcept { pcre2_match_data_free(data); }
};
struct FreeMatchContext {
  void operator()(pcre2_match_context* context) const noexcept { pcre2_match_context_free(context); }
};

PCRE2_SPTR units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

std::string message_of(int error) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(error, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

}  // namespace

void Regex::FreeCode::operator()(pcre2_real_code_8* code) const noexcept { pcre2_code_free(code); }

Regex::Regex(std::string_view pattern, Syntax syntax, std::string where) : where_(std::move(where)) {
  if (pattern.size() > pattern_size_limit) throw Error(where_ + ": the pattern is longer than 64 KiB");
  require_utf8(pattern, where_);
  int error = 0;
  PCRE2_SIZE offset = 0;
  const std::uint32_t options =
      PCRE2_UTF | (syntax == Syntax::literal ? PCRE2_LITERAL : PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C);
  code_.reset(pcre2_compile(units(pattern), pattern.size(), options, &error, &offset, nullptr));
  if (!code_) {
    throw Error(fmt::format("{}: pattern {:?} does not compile at {}: {}", where_, pattern, offset,
                            message_of(error)));
  }
  // Without a just-in-time compiler matching is slower and otherwise the same.
  pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);
}

std::vector<Regex::Match> Regex::find_all(std::string_view text) const {
  const std::unique_ptr<pcre2_match_data, FreeMatchData> data(pcre2_match_data_create(1, nullptr));
  const std::unique_ptr<pcre2_match_context, FreeMatchContext> context(pcre2_match_context_create(nullptr));
  if (!data || !context) throw std::bad_alloc();
  pcre2_set_match_limit(context.get(), backtracking_limit);
  pcre2_set_heap_limit(context.get(), heap_limit_kib);
  std::vector<Match> matches;
  std::size_t position = 0;
  while (position < text.size()) {
    const auto match = [&](std::uint32_t options) {
      return pcre2_match(code_.get(), units(text), text.size(), position, PCRE2_NO_UTF_CHECK | options,
                         data.get(), context.get());
    };
    int result = match(0);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = match(PCRE2_NO_JIT);
    if (result == PCRE2_ERROR_NOMATCH) break;
    if (result < 0)
      throw Error(fmt::format("{}: the pattern fails on a text: {}", where_, message_of(result)));
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data.get());
    const Match found{.begin = ends[0], .end = ends[1]};
    if (found.begin >= position && found.end > found.begin) {
      matches.push_back(found);
      position = found.end;
    } else {  // empty
      const std::size_t next = found.begin >= position ? found.begin : position;
      if (next >= text.size()) break;
      position = next + utf8_step(text, next).length;
    }
  }
  return matches;
}

}  // namespace cola
