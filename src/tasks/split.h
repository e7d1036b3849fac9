#pragma once
#include <cstdint>
#include <vector>

namespace cola {

/// Indices of examples: train and dev into the training file, test into the validation file.
struct TaskSplits {
  std::vector<std::int64_t> train, dev, test;
};

/// MeZO's selection (large_models/tasks.py). Of numpy's permutation of the training file under `seed` the
/// first num_train + num_dev are taken: the last num_dev of those are dev, the rest train; where the file is
/// shorter, train is what is left (WSC: 554 - 500 = 54). test is the first num_test of a permutation of the
/// validation file under the same seed. Throws UsageError for a negative size, and where num_train > 0 but
/// dev leaves none.
[[nodiscard]] TaskSplits make_splits(std::int64_t n_train, std::int64_t n_validation, std::int64_t num_train,
                                     std::int64_t num_dev, std::int64_t num_test, std::uint32_t seed);

/// A seed for each test example, under which its in-context demonstrations are chosen: randint(0, 10000)
/// under seed 0.
[[nodiscard]] std::vector<std::uint32_t> demonstration_seeds(std::int64_t count);

/// The demonstrations of a test example: indices into the training file, all of it where it is shorter than
/// `count`.
[[nodiscard]] std::vector<std::int64_t> demonstration_indices(std::int64_t n_train, std::int64_t count,
                                                              std::uint32_t seed);

}  // namespace cola
