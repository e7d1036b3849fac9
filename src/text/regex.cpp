#include "text/regex.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <new>
#include <optional>

#include "core/error.h"
#include "text/unicode_16.h"
#include "text/utf8.h"

namespace cola {

namespace {

constexpr std::size_t pattern_size_limit = 64 * 1024;
/// Of one position; tokenizers' own limit, beyond which it fails too.
constexpr unsigned long backtracking_limit = 10'000'000;
/// Of one search over all positions up to the next match, which are at least one step each.
constexpr unsigned long search_backtracking_limit = 50'000'000;
constexpr unsigned int stack_entries_limit = 8'000'000;  // some 300 MB

struct FreeRegion {
  void operator()(OnigRegion* region) const noexcept { onig_region_free(region, 1); }
};
struct FreeLimits {
  void operator()(OnigMatchParam* limits) const noexcept { onig_free_match_param(limits); }
};

const OnigUChar* units(std::string_view text) { return reinterpret_cast<const OnigUChar*>(text.data()); }

std::string message_of(int error, OnigErrorInfo* info = nullptr) {
  std::array<OnigUChar, ONIG_MAX_ERROR_MESSAGE_LEN> buffer{};
  const int length = info != nullptr ? onig_error_code_to_str(buffer.data(), error, info)
                                     : onig_error_code_to_str(buffer.data(), error);
  return {reinterpret_cast<const char*>(buffer.data()), static_cast<std::size_t>(length)};
}

/// As much of a pattern as a message needs.
std::string shown(std::string_view pattern) {
  constexpr std::size_t longest = 200;
  return fmt::format("{:?}{}", pattern.substr(0, longest), pattern.size() > longest ? "..." : "");
}

/// What libraries before the one inside tokenizers (6.9.10) do otherwise: \X, \y and \Y segment text by older
/// tables, \R fails before what follows it, and options of the whole pattern (?I) act differently in classes.
std::optional<std::string_view> unsupported_in(std::string_view pattern) {
  for (std::size_t i = 0; i + 1 < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      ++i;
      if (std::string_view("RXyY").find(pattern[i]) != std::string_view::npos)
        return pattern.substr(i - 1, 2);
    } else if (pattern.substr(i).starts_with("(?")) {
      const std::size_t end = pattern.find_first_not_of("imxsaWDSPyILC-", i + 2);
      const std::string_view options = pattern.substr(i, std::min(end, pattern.size()) - i);
      if (options.find_first_of("ILC") != std::string_view::npos) return options;
    }
  }
  return std::nullopt;
}

std::vector<Regex::Match> find_known(const KnownPattern& known, std::string_view text) {
  const auto is_passed = [&](char c) {
    return known.only_digits_of_ascii && static_cast<unsigned char>(c) < 0x80 && (c < '0' || c > '9');
  };
  std::vector<Regex::Match> matches;
  for (std::size_t position = 0; position < text.size();) {
    if (is_passed(text[position])) {
      ++position;
      continue;
    }
    const std::size_t end = known.match(text, position);
    if (end == position) {
      position += utf8_step(text, position).length;
    } else {
      matches.push_back({.begin = position, .end = end});
      position = end;
    }
  }
  return matches;
}

}  // namespace

void Regex::FreePattern::operator()(re_pattern_buffer* pattern) const noexcept { onig_free(pattern); }

Regex::Regex(std::string_view pattern, Syntax syntax, std::string where) : where_(std::move(where)) {
  if (pattern.size() > pattern_size_limit) throw Error(where_ + ": the pattern is longer than 64 KiB");
  require_utf8(pattern, where_);
  const bool literal = syntax == Syntax::literal;
  if (const auto unsupported = literal ? std::nullopt : unsupported_in(pattern)) {
    throw Error(fmt::format("{}: {} in pattern {} is not supported", where_, *unsupported, shown(pattern)));
  }
  OnigErrorInfo info{};
  regex_t* compiled = nullptr;
  const int error = onig_new(&compiled, units(pattern), units(pattern) + pattern.size(), ONIG_OPTION_NONE,
                             unicode_16_utf8(), literal ? ONIG_SYNTAX_ASIS : ONIG_SYNTAX_ONIGURUMA, &info);
  if (error != ONIG_NORMAL) {
    throw Error(
        fmt::format("{}: pattern {} does not compile: {}", where_, shown(pattern), message_of(error, &info)));
  }
  pattern_.reset(compiled);
  if (!literal) known_ = known_pattern(pattern);
}

std::vector<Regex::Match> Regex::find_all(std::string_view text) const {
  if (known_ != nullptr) return find_known(*known_, text);
  const std::unique_ptr<OnigRegion, FreeRegion> region(onig_region_new());
  const std::unique_ptr<OnigMatchParam, FreeLimits> limits(onig_new_match_param());
  if (!region || !limits) throw std::bad_alloc();
  onig_initialize_match_param(limits.get());
  onig_set_match_stack_limit_size_of_match_param(limits.get(), stack_entries_limit);
  onig_set_retry_limit_in_match_of_match_param(limits.get(), backtracking_limit);
  onig_set_retry_limit_in_search_of_match_param(limits.get(), search_backtracking_limit + 4 * text.size());
  std::vector<Match> matches;
  const OnigUChar* const begin = units(text);
  const OnigUChar* const end = begin + text.size();
  for (std::size_t position = 0; position <= text.size();) {
    const int result = onig_search_with_param(pattern_.get(), begin, end, begin + position, end, region.get(),
                                              ONIG_OPTION_NONE, limits.get());
    if (result == ONIG_MISMATCH) break;
    if (result < 0)
      throw Error(fmt::format("{}: the pattern fails on a text: {}", where_, message_of(result)));
    const Match found{.begin = static_cast<std::size_t>(region->beg[0]),
                      .end = static_cast<std::size_t>(region->end[0])};
    const std::size_t last = matches.empty() ? 0 : matches.back().end;
    if (found.begin > found.end || found.begin < last) {
      throw Error(where_ + ": a match of the pattern begins before the last one's end or behind its own");
    }
    if (found.begin == found.end && !matches.empty() && found.end == last) {
      position = found.end + (found.end < text.size() ? utf8_step(text, found.end).length : 1);
    } else {
      matches.push_back(found);
      position = found.end;
    }
  }
  return matches;
}

}  // namespace cola
