#include "eval/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace cola {
namespace {

double total_weight(std::span<const std::pair<double, std::int32_t>> candidates) {
  double total = 0.0;
  for (const auto& [weight, token] : candidates) total += weight;
  return total;
}

}  // namespace

Sampler::Sampler(double temperature, double top_p, std::uint64_t seed)
    : temperature_(temperature), top_p_(top_p), random_(seed, RandomPurpose::sampling) {
  if (!std::isfinite(temperature) || temperature < 0.0) {
    throw UsageError(fmt::format("--temperature is {}: it must be 0 (greedy) or more", temperature));
  }
  if (!(top_p > 0.0 && top_p <= 1.0))
    throw UsageError(fmt::format("--top-p is {}: it must be in (0, 1]", top_p));
}

std::int32_t Sampler::choose(std::span<const float> logits) {
  if (!std::ranges::all_of(logits, [](float logit) { return std::isfinite(logit); })) {
    throw Error("the model's logits are not finite: its weights are broken, or overflow in this --dtype");
  }
  const auto greatest = std::ranges::max_element(logits);
  if (temperature_ == 0.0) return static_cast<std::int32_t>(greatest - logits.begin());

  candidates_.clear();
  for (std::size_t token = 0; token < logits.size(); ++token) {
    const double difference = static_cast<double>(logits[token]) - static_cast<double>(*greatest);
    candidates_.emplace_back(std::exp(difference / temperature_), static_cast<std::int32_t>(token));
  }
  if (top_p_ < 1.0) cut_to_nucleus();
  double rest = std::ldexp(static_cast<double>(random_.next_u32()), -32) * total_weight(candidates_);
  for (const auto& [weight, token] : candidates_) {
    rest -= weight;
    if (rest < 0.0) return token;
  }
  return candidates_.back().second;  // rounding left a rest
}

void Sampler::cut_to_nucleus() {
  std::ranges::sort(candidates_, [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  const double wanted = top_p_ * total_weight(candidates_);
  double sum = 0.0;
  const auto last = std::ranges::find_if(candidates_, [&](const auto& candidate) {
    sum += candidate.first;
    return sum >= wanted;
  });
  if (last != candidates_.end()) candidates_.erase(last + 1, candidates_.end());
}

}  // namespace cola
