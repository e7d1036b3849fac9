#include "tasks/split.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

#include "core/error.h"
#include "data/numpy_random.h"

namespace cola {
namespace {

/// The first `count` of the permutation of `n` under `seed`.
std::vector<std::int64_t> first_of_permutation(std::int64_t n, std::int64_t count, std::uint32_t seed) {
  std::vector<std::int64_t> indices = NumpyRandom(seed).permutation(n);
  indices.resize(static_cast<std::size_t>(std::min(n, count)));
  return indices;
}

void require_sizes(std::initializer_list<std::int64_t> sizes) {
  for (const std::int64_t size : sizes) {
    if (size < 0 || size > std::int64_t{1} << 32) {
      throw UsageError(fmt::format("{} examples: a number from 0 to 2^32 is needed", size));
    }
  }
}

}  // namespace

TaskSplits make_splits(std::int64_t n_train, std::int64_t n_validation, std::int64_t num_train,
                       std::int64_t num_dev, std::int64_t num_test, std::uint32_t seed) {
  require_sizes({n_train, n_validation, num_train, num_dev, num_test});
  TaskSplits splits;
  splits.train = first_of_permutation(n_train, num_train + num_dev, seed);
  const std::int64_t taken = static_cast<std::int64_t>(splits.train.size());
  const std::int64_t kept = std::max<std::int64_t>(taken - num_dev, 0);
  if (num_train > 0 && kept == 0) {
    throw UsageError(
        fmt::format("of {} training examples {} are for development: none is left to train on; "
                    "lower --num-dev (of a task's own file: dev-examples)",
                    n_train, num_dev));
  }
  splits.dev.assign(splits.train.begin() + kept, splits.train.end());
  splits.train.resize(static_cast<std::size_t>(kept));
  splits.test = first_of_permutation(n_validation, num_test, seed);
  return splits;
}

std::vector<std::uint32_t> demonstration_seeds(std::int64_t count) {
  require_sizes({count});
  NumpyRandom random(0);
  std::vector<std::uint32_t> seeds;
  for (std::int64_t i = 0; i < count; ++i)
    seeds.push_back(static_cast<std::uint32_t>(random.randint(0, 10000)));
  return seeds;
}

std::vector<std::int64_t> demonstration_indices(std::int64_t n_train, std::int64_t count,
                                                std::uint32_t seed) {
  require_sizes({n_train, count});
  return first_of_permutation(n_train, count, seed);
}

}  // namespace cola
