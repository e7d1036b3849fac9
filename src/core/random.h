#pragma once
#include <array>
#include <cstdint>
#include <vector>

namespace cola {

/// What a stream of random numbers is for: part of its key, so that order of construction never matters.
enum class RandomPurpose : std::uint32_t {
  init_weight = 1,
  lora_a = 2,
  shuffle = 3,
  hidden_dropout = 4,
  lora_dropout = 5,
  sampling = 6,
  split = 7,
  benchmark = 8,
  theory = 9,
  bootstrap = 10,
  sign_flips = 11,
};

/// Philox4x32-10 (Salmon et al., 2011): four 32-bit words from a 128-bit counter and a 64-bit key.
[[nodiscard]] std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                                      std::array<std::uint32_t, 2> key);

/// A counter-based stream: the i-th number is a pure function of (seed, purpose, stream, i).
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, RandomPurpose purpose, std::uint64_t stream = 0);

  [[nodiscard]] std::uint32_t next_u32();
  [[nodiscard]] std::uint64_t next_below(
      std::uint64_t bound);            ///< uniform in [0, bound), without modulo bias
  [[nodiscard]] float next_uniform();  ///< uniform in [0, 1), 24 bits
  [[nodiscard]] float next_normal();   ///< N(0, 1), Box-Muller: of two words
  void skip(std::uint64_t words);      ///< as so many calls of next_u32()

 private:
  std::array<std::uint32_t, 2> key_;
  std::uint64_t stream_;
  std::uint64_t block_ = 0;
  std::array<std::uint32_t, 4> words_{};
  unsigned used_ = 4;
};

/// Fisher-Yates permutation of 0 .. n-1.
[[nodiscard]] std::vector<std::int64_t> random_permutation(std::int64_t n, RandomStream stream);

}  // namespace cola
