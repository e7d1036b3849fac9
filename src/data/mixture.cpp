#include "data/mixture.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/random.h"

namespace cola {
namespace {

/// How many of `total` go to each, by the largest remainders: their sum is `total`.
std::vector<std::int64_t> apportioned(std::int64_t total, std::span<const double> weights) {
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<std::int64_t> shares;
  std::vector<double> remainders;
  for (const double weight : weights) {
    const double exact = static_cast<double>(total) * (weight / sum);
    shares.push_back(static_cast<std::int64_t>(exact));
    remainders.push_back(exact - std::floor(exact));
  }
  std::vector<std::size_t> order(weights.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order,
                           [&](std::size_t a, std::size_t b) { return remainders[a] > remainders[b]; });
  std::int64_t open = total - std::accumulate(shares.begin(), shares.end(), std::int64_t{0});
  for (std::size_t i = 0; open > 0; i = (i + 1) % order.size(), --open) ++shares[order[i]];
  return shares;
}

std::vector<std::int64_t> one_pass(std::int64_t examples, bool shuffle, std::uint64_t seed,
                                   std::uint64_t stream) {
  if (shuffle) return random_permutation(examples, RandomStream(seed, RandomPurpose::shuffle, stream));
  std::vector<std::int64_t> order(static_cast<std::size_t>(examples));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

}  // namespace

WeightedFile parse_weighted_file(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  std::error_code error;
  if (colon == std::string::npos || colon + 1 == text.size() || std::filesystem::exists(text, error))
    return {text, std::nullopt};
  double weight = 0.0;
  const auto [end, failed] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), weight);
  if (failed == std::errc::invalid_argument || end != text.data() + text.size()) return {text, std::nullopt};
  if (failed != std::errc() || !std::isfinite(weight) || weight <= 0.0)
    throw UsageError(fmt::format("--train {}: the weight behind the colon is a positive number", text));
  return {text.substr(0, colon), weight};
}

std::vector<double> weights_of(std::span<const WeightedFile> files) {
  std::vector<double> weights;
  if (std::ranges::none_of(files, [](const WeightedFile& file) { return file.weight.has_value(); }))
    return weights;
  for (const WeightedFile& file : files) weights.push_back(file.weight.value_or(1.0));
  return weights;
}

Mixture::Mixture(std::int64_t examples) : size_(examples) {}

Mixture::Mixture(std::span<const std::int64_t> examples, std::span<const double> weights)
    : size_(std::accumulate(examples.begin(), examples.end(), std::int64_t{0})) {
  const std::vector<std::int64_t> shares = apportioned(size_, weights);
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    if (shares[i] == 0)
      throw UsageError(fmt::format("--train: weight {} of file {} is less than one sequence of an epoch's {}",
                                   weights[i], i + 1, size_));
    parts_.push_back({begin, examples[i], shares[i]});
    begin += examples[i];
  }
}

std::string Mixture::summary() const {
  std::vector<std::string> shares;
  for (const Part& part : parts_) shares.push_back(fmt::format("{} of {}", part.share, part.examples));
  return shares.empty() ? "" : fmt::format("an epoch has {}", fmt::join(shares, " and "));
}

std::vector<std::int64_t> Mixture::share_of(std::size_t number, std::int64_t epoch, bool shuffle,
                                            std::uint64_t seed) const {
  const Part& part = parts_[number];
  const std::uint64_t streams = (std::uint64_t{number} + 1) << 32;  // apart from the epochs' own
  std::vector<std::int64_t> share;
  std::vector<std::int64_t> pass;
  std::int64_t passes = -1;
  for (std::int64_t at = epoch * part.share; at < (epoch + 1) * part.share; ++at) {
    if (at / part.examples != passes) {
      passes = at / part.examples;
      pass = one_pass(part.examples, shuffle, seed, streams + static_cast<std::uint64_t>(passes));
    }
    share.push_back(part.begin + pass[static_cast<std::size_t>(at % part.examples)]);
  }
  return share;
}

std::vector<std::size_t> Mixture::even_order() const {
  std::vector<std::size_t> order;
  std::vector<std::int64_t> taken(parts_.size(), 0);
  const auto due = [&](std::size_t i) {  // where its next one stands between 0 and 1
    return (static_cast<double>(taken[i]) + 0.5) / static_cast<double>(parts_[i].share);
  };
  for (std::int64_t at = 0; at < size_; ++at) {
    std::size_t next = 0;
    for (std::size_t i = 1; i < parts_.size(); ++i) {
      if (due(i) < due(next)) next = i;
    }
    ++taken[next];
    order.push_back(next);
  }
  return order;
}

std::vector<std::int64_t> Mixture::order(std::int64_t epoch, bool shuffle, std::uint64_t seed) const {
  const std::vector<std::int64_t> order = one_pass(size_, shuffle, seed, static_cast<std::uint64_t>(epoch));
  if (parts_.empty()) return order;
  std::vector<std::vector<std::int64_t>> shares;
  for (std::size_t i = 0; i < parts_.size(); ++i) shares.push_back(share_of(i, epoch, shuffle, seed));
  std::vector<std::int64_t> mixed;
  if (!shuffle) {
    std::vector<std::size_t> taken(parts_.size(), 0);
    for (const std::size_t part : even_order()) mixed.push_back(shares[part][taken[part]++]);
    return mixed;
  }
  std::vector<std::int64_t> all;
  for (const auto& share : shares) all.insert(all.end(), share.begin(), share.end());
  for (const std::int64_t at : order) mixed.push_back(all[static_cast<std::size_t>(at)]);
  return mixed;
}

}  // namespace cola
