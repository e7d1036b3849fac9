#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace cola {

/// numpy's legacy generator (numpy.random.seed and RandomState), whose permutations choose the paper's
/// subsets: MT19937 (Matsumoto and Nishimura, 1998) seeded by init_genrand.
class NumpyRandom {
 public:
  explicit NumpyRandom(std::uint32_t seed);

  [[nodiscard]] std::uint32_t next_u32();
  /// numpy.random.permutation(n): Fisher-Yates from the end. Throws UsageError for n < 0 or n > 2^32.
  [[nodiscard]] std::vector<std::int64_t> permutation(std::int64_t n);
  /// numpy.random.randint(low, high): uniform in [low, high). Throws UsageError for an empty range or one of
  /// more than 2^32 numbers.
  [[nodiscard]] std::int64_t randint(std::int64_t low, std::int64_t high);

 private:
  static constexpr std::size_t state_size = 624;

  /// Uniform in [0, max]: outputs masked to max's bits, drawn again while above it.
  [[nodiscard]] std::uint32_t at_most(std::uint32_t max);
  void twist();

  std::array<std::uint32_t, state_size> state_{};
  std::size_t position_ = state_size;
};

}  // namespace cola
