#include "lora/target_modules.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <regex>
#include <set>
#include <string_view>

#include "core/error.h"

namespace cola {
namespace {

constexpr std::string_view all_linear = "all-linear";
constexpr std::size_t pattern_limit = 256;    // characters
constexpr std::size_t repetition_limit = 16;  // copies that nested {m,n} make of an atom

bool is_pattern(const std::string& selector) {
  return selector.find_first_of("\\^$*+?[](){}|") != std::string::npos;
}

std::string_view last_component(std::string_view name) { return name.substr(name.rfind('.') + 1); }

/// Upper bound of the product of all repetition counts: what limits the size of the compiled automaton.
std::size_t repetition_product(const std::string& pattern) {
  std::size_t product = 1;
  for (std::size_t at = pattern.find('{'); at != std::string::npos; at = pattern.find('{', at + 1)) {
    std::size_t largest = 1;
    std::size_t number = 0;
    for (std::size_t i = at + 1; i < pattern.size() && pattern[i] != '}'; ++i) {
      const bool is_digit = pattern[i] >= '0' && pattern[i] <= '9';
      number = is_digit
                   ? std::min<std::size_t>(number * 10 + static_cast<std::size_t>(pattern[i] - '0'), 1000)
                   : 0;
      largest = std::max(largest, number);
    }
    product = std::min<std::size_t>(product * largest, 1000);
  }
  return product;
}

/// A pattern may come from a stranger's adapter_config.json: its size is limited, and where the library has a
/// matcher of polynomial time it is used (ECMAScript's backtracking is exponential for patterns as "(a*)*b").
std::regex compile(const std::string& pattern) {
  if (pattern.size() > pattern_limit || repetition_product(pattern) > repetition_limit) {
    throw UsageError(
        fmt::format("target modules: the pattern '{:.40}...' is too long or repeats too much: at most {} "
                    "characters and counts {{m,n}} that multiply to {}",
                    pattern, pattern_limit, repetition_limit));
  }
  try {
#ifdef __GLIBCXX__
    return std::regex(pattern, std::regex::ECMAScript | std::regex_constants::__polynomial);
#else
    return std::regex(pattern, std::regex::ECMAScript);
#endif
  } catch (const std::regex_error& error) {
    throw UsageError(fmt::format("target modules: '{}' is not a valid pattern: {}", pattern, error.what()));
  }
}

std::vector<bool> matches(const std::vector<LinearName>& linears, const std::string& selector, bool alone) {
  std::vector<bool> matched(linears.size());
  const auto mark = [&](const auto& accepts) {
    std::transform(linears.begin(), linears.end(), matched.begin(), accepts);
  };
  if (selector == all_linear && alone) {
    mark([](const LinearName& linear) { return linear.in_block; });
  } else if (is_pattern(selector)) {
    const std::regex pattern = compile(selector);
    try {
      mark([&](const LinearName& linear) { return std::regex_match(linear.name, pattern); });
    } catch (const std::regex_error& error) {
      throw UsageError(
          fmt::format("target modules: '{}' is too complex a pattern: {}", selector, error.what()));
    }
  } else {
    mark([&](const LinearName& linear) {
      return linear.name == selector || linear.name.ends_with("." + selector);
    });
  }
  return matched;
}

[[noreturn]] void refuse_unmatched(const std::vector<LinearName>& linears, const std::string& selector) {
  if (selector == all_linear)
    throw UsageError("target modules: 'all-linear' stands alone, for every layer of the blocks");
  std::set<std::string_view> existing;
  for (const LinearName& linear : linears) existing.insert(last_component(linear.name));
  throw UsageError(fmt::format("target modules: '{}' matches no linear layer: there are {}", selector,
                               fmt::join(existing, ", ")));
}

}  // namespace

std::vector<std::size_t> select_target_modules(const std::vector<LinearName>& linears,
                                               const std::vector<std::string>& selectors) {
  if (selectors.empty()) throw UsageError("target modules: none given: name at least one, or all-linear");
  std::vector<bool> chosen(linears.size());
  for (const std::string& selector : selectors) {
    const std::vector<bool> matched = matches(linears, selector, selectors.size() == 1);
    if (std::find(matched.begin(), matched.end(), true) == matched.end()) refuse_unmatched(linears, selector);
    std::transform(chosen.begin(), chosen.end(), matched.begin(), chosen.begin(),
                   [](bool a, bool b) { return a || b; });
  }
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (chosen[i]) indices.push_back(i);
  }
  return indices;
}

}  // namespace cola
