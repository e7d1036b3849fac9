#include "data/numpy_random.h"

#include <fmt/format.h>

#include <bit>
#include <numeric>
#include <utility>

#include "core/error.h"

namespace cola {

NumpyRandom::NumpyRandom(std::uint32_t seed) {
  state_[0] = seed;
  for (std::uint32_t i = 1; i < state_size; ++i) {
    const std::uint32_t previous = state_[i - 1];
    state_[i] = 1812433253U * (previous ^ (previous >> 30)) + i;
  }
}

void NumpyRandom::twist() {
  constexpr std::size_t offset = 397;
  for (std::size_t i = 0; i < state_size; ++i) {
    const std::uint32_t word = (state_[i] & 0x80000000U) | (state_[(i + 1) % state_size] & 0x7fffffffU);
    state_[i] = state_[(i + offset) % state_size] ^ (word >> 1) ^ ((word & 1U) != 0 ? 0x9908b0dfU : 0U);
  }
  position_ = 0;
}

std::uint32_t NumpyRandom::next_u32() {
  if (position_ == state_size) twist();
  std::uint32_t word = state_[position_++];
  word ^= word >> 11;
  word ^= (word << 7) & 0x9d2c5680U;
  word ^= (word << 15) & 0xefc60000U;
  return word ^ (word >> 18);
}

std::uint32_t NumpyRandom::at_most(std::uint32_t max) {
  if (max == 0) return 0;
  const std::uint32_t mask = ~std::uint32_t{0} >> std::countl_zero(max);
  std::uint32_t value = next_u32() & mask;
  while (value > max) value = next_u32() & mask;
  return value;
}

std::vector<std::int64_t> NumpyRandom::permutation(std::int64_t n) {
  if (n < 0 || n > std::int64_t{1} << 32) {
    throw UsageError(fmt::format("a permutation of {} is out of range: 0 to 2^32", n));
  }
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  for (std::size_t i = order.size(); i-- > 1;) {
    std::swap(order[i], order[at_most(static_cast<std::uint32_t>(i))]);
  }
  return order;
}

std::int64_t NumpyRandom::randint(std::int64_t low, std::int64_t high) {
  const std::uint64_t width = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  if (low >= high || width > std::uint64_t{1} << 32) {
    throw UsageError(
        fmt::format("no random integers from [{}, {}): a range of 1 to 2^32 numbers", low, high));
  }
  return low + static_cast<std::int64_t>(at_most(static_cast<std::uint32_t>(width - 1)));
}

}  // namespace cola
