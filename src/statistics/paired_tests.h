#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace cola {

// Two-sided tests of two models on the same questions, and what goes with them.

/// Two p values of one two-sided test, which differ where single outcomes have a chance of their own.
struct PValues {
  double p = 1.0;      ///< the chance of an outcome at least as extreme: rejects at most as often as it says
  double mid_p = 0.5;  ///< of a more extreme one, and half that of one as extreme (Lancaster, 1961)
};

/// McNemar's exact test (1947): of the questions that one model alone got right, `only_first` and
/// `only_second`, against Binomial(n, 1/2). With mid-p (Fagerland, Lydersen and Laake, 2013).
[[nodiscard]] PValues mcnemar_p_values(std::int64_t only_first, std::int64_t only_second);

/// Questions that differ up to which all sign flips are looked at.
inline constexpr std::size_t most_exact_sign_flips = 20;
inline constexpr std::int64_t sign_flip_draws = 100'000;

/// How often the sum of `differences` (one a question, over all its seeds) is as far from 0 as it is when
/// their signs are flipped at random (Fisher, 1935): exact where they are whole numbers (right answers) that
/// are not too many, or at most most_exact_sign_flips of them are not 0; else of `draws` flips, counting the
/// observed one (Davison and Hinkley, 1997, section 4.2.1), so that p is at least 1 / (draws + 1). p is 1 and
/// mid-p 1/2 where nothing differs. A function of its arguments alone.
[[nodiscard]] PValues sign_flip_p_values(std::span<const double> differences, std::uint64_t seed,
                                         std::int64_t draws = sign_flip_draws);

/// Student's paired t test of `differences`, one a seed. None for fewer than two, or where all are the same
/// and not 0: there is no spread to compare them with. 1 where all are 0.
[[nodiscard]] std::optional<double> paired_t_p_value(std::span<const double> differences);

/// Holm's adjusted p values (1979), in the order of `p`: what is below 0.05 is so with a chance of at most 5
/// % that any of them is so without a difference.
[[nodiscard]] std::vector<double> holm_adjusted(std::span<const double> p);

/// The true mean difference that a two-sided test at 0.05 of as many questions, with `differences` of this
/// spread, would find with a power of 0.8: (t(0.975) + t(0.8)) s / sqrt(n), t with n - 1 degrees of freedom.
/// In the units of `differences`. None for fewer than two, or where all are the same.
[[nodiscard]] std::optional<double> smallest_difference(std::span<const double> differences);

}  // namespace cola
