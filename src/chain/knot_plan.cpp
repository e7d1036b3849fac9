#include "chain/knot_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>
#include <system_error>

#include "core/error.h"

namespace cola {
namespace {

[[noreturn]] void refuse_entry(std::string_view entry) {
  throw UsageError(
      fmt::format("--knots: '{}' is neither steps nor epochs: write for example 120,240 or 3ep", entry));
}

template <class Number, class... Format>
Number parse_number(std::string_view digits, std::string_view entry, Format... format) {
  Number value{};
  const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), value, format...);
  if (status != std::errc{} || end != digits.data() + digits.size()) refuse_entry(entry);
  return value;
}

/// The step of one entry, as a double so that an entry beyond every integer is still compared, not
/// overflowed.
double parse_entry(std::string_view entry, std::int64_t steps_per_epoch) {
  constexpr std::string_view epochs_suffix = "ep";
  if (!entry.ends_with(epochs_suffix)) return static_cast<double>(parse_number<std::int64_t>(entry, entry));
  const std::string_view digits = entry.substr(0, entry.size() - epochs_suffix.size());
  const auto epochs = parse_number<double>(digits, entry, std::chars_format::fixed);
  if (std::isnan(epochs)) refuse_entry(entry);
  return std::round(epochs * static_cast<double>(steps_per_epoch));
}

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

}  // namespace

std::vector<std::int64_t> parse_knots(const std::string& knots, std::int64_t steps_per_epoch,
                                      std::int64_t total_steps) {
  std::vector<std::int64_t> steps;
  std::size_t begin = 0;
  while (begin <= knots.size()) {
    const std::size_t end = std::min(knots.find(',', begin), knots.size());
    const std::string_view entry = trim(std::string_view(knots).substr(begin, end - begin));
    const double step = parse_entry(entry, steps_per_epoch);
    if (!(step > 0.0 && step < static_cast<double>(total_steps))) {
      throw UsageError(fmt::format(
          "--knots: '{}' is step {:.0f}: a knot lies between 0 and the run's {} steps, both excluded", entry,
          step, total_steps));
    }
    const auto whole = static_cast<std::int64_t>(step);
    if (!steps.empty() && whole <= steps.back()) {
      throw UsageError(fmt::format("--knots: '{}' (step {}) does not come after the knot at step {}", entry,
                                   whole, steps.back()));
    }
    steps.push_back(whole);
    begin = end + 1;
  }
  return steps;
}

std::vector<std::int64_t> even_knots(std::int64_t links, std::int64_t steps_per_epoch,
                                     std::int64_t total_steps) {
  if (links < 1) throw UsageError(fmt::format("--links {}: a chain has at least 1 link", links));
  if (links > total_steps) {
    throw UsageError(
        fmt::format("--links {} is more than the run's {} steps: each link needs one", links, total_steps));
  }
  const bool whole_epochs = total_steps % steps_per_epoch == 0 && links <= total_steps / steps_per_epoch;
  const std::int64_t unit = whole_epochs ? steps_per_epoch : 1;
  const std::int64_t units = total_steps / unit;
  std::vector<std::int64_t> knots;
  std::int64_t done = 0;
  for (std::int64_t link = 0; link + 1 < links; ++link) {
    done += (units / links + (link < units % links ? 1 : 0)) * unit;
    knots.push_back(done);
  }
  return knots;
}

}  // namespace cola
