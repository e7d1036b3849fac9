#include "model/families/gguf_rotary.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "model/rotary_table.h"

namespace cola {
namespace {

constexpr double tolerance = 2e-6;  // factors are f32, computed from f32 frequencies

bool is_close(double a, double b) { return std::abs(a - b) <= tolerance * std::abs(b); }

/// What is known of one frequency: its wavelength, and the part of it that is kept (1: all, 0: divided by the
/// whole factor).
struct Sample {
  double wavelength, kept;
};

std::vector<Sample> samples_of(std::span<const float> factors, double factor, const RotarySpec& plain) {
  std::vector<Sample> samples;
  const std::vector<double> frequencies = rotary_frequencies(plain);
  for (std::size_t i = 0; i < factors.size(); ++i) {
    const double divisor = factors[i];
    const double kept = is_close(divisor, factor) ? 0.0
                        : is_close(divisor, 1.0)  ? 1.0
                                                  : (1.0 / divisor - 1.0 / factor) / (1.0 - 1.0 / factor);
    samples.push_back({2.0 * std::numbers::pi / frequencies[i], kept});
  }
  return samples;
}

struct Candidate {
  double original, high;
};

/// With low_freq_factor 1 a blended frequency has kept (high - 1) = original / wavelength - 1: two of them
/// give both, one gives `original` for a known `high`, none gives bounds of it.
std::vector<Candidate> candidates_of(const std::vector<Sample>& samples) {
  constexpr double usual_high = 4.0;
  std::vector<Sample> blended;
  double longest_kept = 0.0;
  double shortest_divided = HUGE_VAL;
  for (const Sample& sample : samples) {
    if (sample.kept == 1.0) longest_kept = std::max(longest_kept, sample.wavelength);
    if (sample.kept == 0.0) shortest_divided = std::min(shortest_divided, sample.wavelength);
    if (sample.kept > 0.0 && sample.kept < 1.0) blended.push_back(sample);
  }
  std::vector<Candidate> found;
  if (!blended.empty()) {
    const Sample& first = blended.front();
    found.push_back({first.wavelength * (1.0 + first.kept * (usual_high - 1.0)), usual_high});
    const Sample& last = blended.back();
    const double slope = (1.0 / first.wavelength - 1.0 / last.wavelength) / (first.kept - last.kept);
    const double original = 1.0 / (1.0 / last.wavelength - slope * last.kept);
    found.push_back({original, 1.0 + slope * original});
    found.push_back({original, std::round(1e3 * (1.0 + slope * original)) / 1e3});
  } else if (std::isfinite(shortest_divided)) {
    const double from = std::max(longest_kept, 0.25);
    if (usual_high * from < shortest_divided)
      found.push_back({std::sqrt(usual_high * from * shortest_divided), usual_high});
    const double original = std::max(std::floor(shortest_divided * 0.99), 1.0);
    found.push_back({original, std::sqrt(original / from)});
  }
  return found;
}

}  // namespace

std::optional<Json> llama3_scaling(std::span<const float> factors, double theta, std::int64_t rotary_dim) {
  RotarySpec spec;
  spec.theta = theta;
  spec.rotary_dim = rotary_dim;
  if (std::ssize(factors) != rotary_dim / 2 || factors.empty()) return std::nullopt;
  const double factor = *std::ranges::max_element(factors);
  if (!std::isfinite(factor) || *std::ranges::min_element(factors) < 1.0F - static_cast<float>(tolerance))
    return std::nullopt;
  const std::vector<Sample> samples = samples_of(factors, factor, spec);
  spec.kind = RotarySpec::Kind::llama3;
  spec.factor = factor;
  for (const Candidate& candidate : candidates_of(samples)) {
    if (!(candidate.original > 0.5 && candidate.original < 1e12 && candidate.high > 1.0)) continue;
    spec.original_max_position_embeddings = std::llround(candidate.original);
    spec.high_freq_factor = candidate.high;
    if (!std::ranges::equal(rotary_divisors(spec), factors, is_close)) continue;
    return Json{{"rope_type", "llama3"},
                {"factor", factor},
                {"low_freq_factor", 1.0},
                {"high_freq_factor", candidate.high},
                {"original_max_position_embeddings", spec.original_max_position_embeddings}};
  }
  return std::nullopt;
}

}  // namespace cola
