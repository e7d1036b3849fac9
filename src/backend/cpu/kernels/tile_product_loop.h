#pragma once
#include "backend/cpu/kernels/tile_layout.h"
#include "backend/cpu/kernels/tile_product.h"

// The loop of tile products, for the hardware's tile registers and for emulated ones. `Tiles` has eight
// tiles and the operations zero<tile>(), load<tile>(rows), store<tile>(rows) with rows 64 bytes apart, and
// multiply_add<sum, left, right>().
namespace cola::kernels {

enum class Left : std::uint8_t { panel, stream };

/// Tiles 0 to 3 hold the sums, 4 the stream's operand, 5 to 7 the panel's in turns. A step is four products
/// (64 cycles of the multiplier) and five loads (40 of the load ports'), four of them from the L1 cache,
/// where the panel stays; the stream comes from L2.
template <Left left, class Tiles>
[[gnu::always_inline]] inline void multiply_tiles(Tiles& tiles, const TileProduct& product) {
  float* sums = product.sums;
  if (product.add) {
    tiles.template load<0>(sums);
    tiles.template load<1>(sums + tile_sums);
    tiles.template load<2>(sums + 2 * tile_sums);
    tiles.template load<3>(sums + 3 * tile_sums);
  } else {
    tiles.template zero<0>();
    tiles.template zero<1>();
    tiles.template zero<2>();
    tiles.template zero<3>();
  }
  const auto multiply_add = [&]<int sum, int panel>() __attribute__((always_inline)) {
    if constexpr (left == Left::panel) {
      tiles.template multiply_add<sum, panel, 4>();
    } else {
      tiles.template multiply_add<sum, 4, panel>();
    }
  };
  const std::uint16_t* panel = product.panel;
  const std::uint16_t* stream = product.stream;
  const std::byte* ahead = product.ahead;
  for (std::int64_t step = 0; step < product.steps; ++step) {
    tiles.template load<4>(stream);
    tiles.template load<5>(panel);
    multiply_add.template operator()<0, 5>();
    tiles.template load<6>(panel + tile_elements);
    multiply_add.template operator()<1, 6>();
    tiles.template load<7>(panel + 2 * tile_elements);
    multiply_add.template operator()<2, 7>();
    tiles.template load<5>(panel + 3 * tile_elements);
    multiply_add.template operator()<3, 5>();
    __builtin_prefetch(ahead, 0, 2);
    __builtin_prefetch(ahead + 64, 0, 2);
    __builtin_prefetch(ahead + 128, 0, 2);
    panel += panel_step_elements;
    stream += tile_elements;
    ahead += 192;
  }
  tiles.template store<0>(sums);
  tiles.template store<1>(sums + tile_sums);
  tiles.template store<2>(sums + 2 * tile_sums);
  tiles.template store<3>(sums + 3 * tile_sums);
}

}  // namespace cola::kernels
