#pragma once
#include <cstdint>

#include "backend/cpu/kernels/rows.h"

// How attention's kernels cut a head into blocks, and where the blocks lie in their scratch memory.
namespace cola::kernels {

constexpr std::int64_t query_block = 32;
constexpr std::int64_t key_block = 64;

[[gnu::always_inline]] constexpr std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
/// Row length of a widened head slice: whole vectors for every instruction set, and whole cache lines.
[[gnu::always_inline]] constexpr std::int64_t padded(std::int64_t head_dim) { return round_up(head_dim, 16); }

}  // namespace cola::kernels
