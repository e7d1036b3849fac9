#include "statistics/paired_tests.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>

#include "core/error.h"
#include "core/random.h"
#include "statistics/distributions.h"

namespace cola {
namespace {

struct Spread {
  double mean = 0.0;
  double error = 0.0;    ///< standard error of the mean; 0 where all values are the same, up to rounding
  double degrees = 0.0;  ///< of freedom
};

std::optional<Spread> spread_of_mean(std::span<const double> values) {
  if (values.size() < 2) return std::nullopt;
  const auto n = static_cast<double>(values.size());
  Spread spread{.mean = std::accumulate(values.begin(), values.end(), 0.0) / n, .degrees = n - 1.0};
  double squares = 0.0, largest = 0.0;
  for (const double value : values) {
    squares += (value - spread.mean) * (value - spread.mean);
    largest = std::max(largest, std::abs(value));
  }
  if (squares > n * largest * largest * 1e-24) spread.error = std::sqrt(squares / (n - 1.0) / n);
  return spread;
}

/// The sums of `values` with each choice of signs, [2^n], ascending.
std::vector<double> signed_sums(std::span<const double> values) {
  std::vector<double> sums{0.0};
  for (const double value : values) {
    const std::size_t size = sums.size();
    for (std::size_t i = 0; i < size; ++i) sums.push_back(sums[i] + value);
    for (std::size_t i = 0; i < size; ++i) sums[i] -= value;
  }
  std::ranges::sort(sums);
  return sums;
}

/// The share of all sign flips whose sum is at least `bound` > 0 in magnitude: halves of the values, whose
/// sums are looked up in each other.
double exact_share(std::span<const double> values, double bound) {
  const std::vector<double> left = signed_sums(values.first(values.size() / 2));
  const std::vector<double> right = signed_sums(values.subspan(values.size() / 2));
  double extreme = 0.0;
  for (const double sum : left) {
    extreme += static_cast<double>(right.end() - std::ranges::lower_bound(right, bound - sum));
    extreme += static_cast<double>(std::ranges::upper_bound(right, -bound - sum) - right.begin());
  }
  return extreme / static_cast<double>(left.size() * right.size());
}

/// Of a symmetric distribution: `tail` is the chance of its lower end up to the observed outcome, whose own
/// is `outcome`. The middle has no opposite.
PValues two_sided(double tail, double outcome, bool is_middle) {
  if (is_middle) return {.p = 1.0, .mid_p = 1.0 - 0.5 * outcome};
  return {.p = std::min(1.0, 2.0 * tail), .mid_p = 2.0 * tail - outcome};
}

constexpr double most_steps = 1e8;  // of whole_number_flips: a tenth of a second

bool are_whole(std::span<const double> values) {
  return std::ranges::all_of(values, [](double value) { return value == std::round(value); });
}

/// Of whole numbers: the distribution of the sum of those that are flipped to plus, one after another.
PValues whole_number_flips(std::span<const double> values, double magnitude, double observed) {
  std::vector<double> share(static_cast<std::size_t>(magnitude) + 1, 0.0);
  share[0] = 1.0;
  std::size_t largest = 0;  // sum so far
  for (const double value : values) {
    const auto step = static_cast<std::size_t>(std::abs(value));
    largest += step;
    for (std::size_t sum = largest + 1; sum-- > 0;)
      share[sum] = 0.5 * (share[sum] + (sum >= step ? share[sum - step] : 0.0));
  }
  // The whole sum is twice that less the magnitude, and symmetric.
  const auto last = static_cast<std::size_t>((magnitude - std::abs(observed)) / 2.0);
  return two_sided(std::accumulate(share.begin(), share.begin() + static_cast<std::ptrdiff_t>(last) + 1, 0.0),
                   share[last], observed == 0.0);
}

constexpr std::size_t byte_values = 256;

/// The signed sums of up to eight values for each byte, a bit a sign.
std::array<double, byte_values> byte_sums(std::span<const double> values) {
  std::array<double, byte_values> sums{};
  for (std::size_t byte = 0; byte < byte_values; ++byte) {
    for (std::size_t bit = 0; bit < values.size(); ++bit)
      sums[byte] += ((byte >> bit) & 1U) != 0 ? values[bit] : -values[bit];
  }
  return sums;
}

/// The sums of `draws` random sign flips, in magnitude. Values 32 i to 32 i + 31 take their signs from stream
/// i, a word a draw.
std::vector<double> drawn_sums(std::span<const double> values, std::uint64_t seed, std::int64_t draws) {
  constexpr std::size_t word_bits = 32;
  std::vector<double> sums(static_cast<std::size_t>(draws), 0.0);
  for (std::size_t first = 0; first < values.size(); first += word_bits) {
    const auto some = values.subspan(first, std::min(word_bits, values.size() - first));
    std::array<std::array<double, byte_values>, 4> tables{};
    for (std::size_t byte = 0; 8 * byte < some.size(); ++byte)
      tables[byte] = byte_sums(some.subspan(8 * byte, std::min<std::size_t>(8, some.size() - 8 * byte)));
    RandomStream stream(seed, RandomPurpose::sign_flips, first / word_bits);
    for (double& sum : sums) {
      const std::uint32_t word = stream.next_u32();
      sum += tables[0][word & 0xFFU] + tables[1][(word >> 8) & 0xFFU] + tables[2][(word >> 16) & 0xFFU] +
             tables[3][word >> 24];
    }
  }
  for (double& sum : sums) sum = std::abs(sum);
  return sums;
}

}  // namespace

PValues mcnemar_p_values(std::int64_t only_first, std::int64_t only_second) {
  const auto n = static_cast<double>(only_first + only_second);
  double tail = 0.0, outcome = 0.0;
  for (std::int64_t k = 0; k <= std::min(only_first, only_second); ++k) {
    const auto i = static_cast<double>(k);
    outcome = std::exp(std::lgamma(n + 1.0) - std::lgamma(i + 1.0) - std::lgamma(n - i + 1.0) -
                       n * std::numbers::ln2);
    tail += outcome;
  }
  return two_sided(tail, outcome, only_first == only_second);
}

PValues sign_flip_p_values(std::span<const double> differences, std::uint64_t seed, std::int64_t draws) {
  if (draws < 1) throw UsageError(fmt::format("{} sign flips: at least 1", draws));
  double magnitude = 0.0;
  for (const double difference : differences) magnitude += std::abs(difference);
  std::vector<double> values;
  for (const double difference : differences) {
    if (std::abs(difference) > 1e-12 * magnitude) values.push_back(difference);
  }
  if (values.empty()) return {};
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  if (are_whole(values) && magnitude * static_cast<double>(values.size()) <= most_steps)
    return whole_number_flips(values, magnitude, sum);
  // Sums that are equal but for the order of their terms count as equal.
  const double as_extreme = std::abs(sum) - 1e-9 * magnitude;
  const double more_extreme = std::abs(sum) + 1e-9 * magnitude;
  double p = 1.0, beyond = 0.0;
  if (values.size() <= most_exact_sign_flips) {
    if (as_extreme > 0.0) p = exact_share(values, as_extreme);
    beyond = exact_share(values, more_extreme);
  } else {
    const std::vector<double> sums = drawn_sums(values, seed, draws);
    const auto share_from = [&](double bound, double observed) {
      const auto from = std::ranges::count_if(sums, [bound](double drawn) { return drawn >= bound; });
      return (observed + static_cast<double>(from)) / (1.0 + static_cast<double>(draws));
    };
    p = share_from(as_extreme, 1.0);
    beyond = share_from(more_extreme, 0.0);
  }
  return {.p = p, .mid_p = 0.5 * (p + beyond)};
}

std::optional<double> paired_t_p_value(std::span<const double> differences) {
  const auto spread = spread_of_mean(differences);
  if (!spread) return std::nullopt;
  if (spread->error > 0.0)
    return 2.0 * student_t_cdf(-std::abs(spread->mean) / spread->error, spread->degrees);
  return spread->mean == 0.0 ? std::optional(1.0) : std::nullopt;
}

std::vector<double> holm_adjusted(std::span<const double> p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return p[i]; });
  std::vector<double> adjusted(p.size());
  double largest = 0.0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    largest = std::max(largest, static_cast<double>(p.size() - rank) * p[order[rank]]);
    adjusted[order[rank]] = std::min(1.0, largest);
  }
  return adjusted;
}

std::optional<double> smallest_difference(std::span<const double> differences) {
  const auto spread = spread_of_mean(differences);
  if (!spread || spread->error == 0.0) return std::nullopt;
  return (student_t_quantile(0.975, spread->degrees) + student_t_quantile(0.8, spread->degrees)) *
         spread->error;
}

}  // namespace cola
