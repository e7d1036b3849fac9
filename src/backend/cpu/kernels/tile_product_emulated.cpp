// tdpbf16ps and its tiles in software, after the pseudo-code of Intel's SDM.
#include <array>
#include <cmath>
#include <cstring>

#include "backend/cpu/kernels/bf16.h"
#include "backend/cpu/kernels/tile_chunk_loop.h"
#include "backend/cpu/kernels/tile_product_loop.h"
#include "backend/cpu_isa.h"

namespace cola::kernels {
namespace {

/// Subnormal operands and results count as zero, whatever MXCSR says.
float flushed(float value) { return std::fabs(value) < 0x1p-126F ? std::copysign(0.0F, value) : value; }

class EmulatedTiles {
 public:
  template <int tile>
  void zero() {
    tiles_[tile].fill(0);
  }
  template <int tile>
  void load(const void* rows) {
    std::memcpy(tiles_[tile].data(), rows, sizeof(Tile));
  }
  template <int tile>
  void load_streaming(const void* rows) {
    load<tile>(rows);
  }
  template <int tile>
  void store(void* rows) const {
    std::memcpy(rows, tiles_[tile].data(), sizeof(Tile));
  }
  template <int sum, int left, int right>
  void multiply_add() {
    for (std::int64_t row = 0; row < tile_rows; ++row) {
      multiply_row(&tiles_[left][static_cast<std::size_t>(row * 16)], tiles_[right],
                   &tiles_[sum][static_cast<std::size_t>(row * 16)]);
    }
  }

 private:
  using Tile = std::array<std::uint32_t, tile_sums>;  ///< each f32 or two bf16, the first in the low half

  static float first(std::uint32_t pair) { return flushed(to_float(static_cast<std::uint16_t>(pair))); }
  static float second(std::uint32_t pair) {
    return flushed(to_float(static_cast<std::uint16_t>(pair >> 16)));
  }

  /// The products with the first and with the second bf16 of each pair have sums of their own, which are
  /// added at the end. A product of two bf16 is exact in f32 unless it over- or underflows.
  static void multiply_row(const std::uint32_t* left, const Tile& right, std::uint32_t* sum) {
    std::array<float, 16> firsts{}, seconds{};
    for (std::size_t pair = 0; pair < 16; ++pair) {
      const float left_first = first(left[pair]);
      const float left_second = second(left[pair]);
      for (std::size_t col = 0; col < 16; ++col) {
        firsts[col] = flushed(firsts[col] + left_first * first(right[pair * 16 + col]));
        seconds[col] = flushed(seconds[col] + left_second * second(right[pair * 16 + col]));
      }
    }
    for (std::size_t col = 0; col < 16; ++col) {
      const float before = flushed(__builtin_bit_cast(float, sum[col]));
      sum[col] = __builtin_bit_cast(std::uint32_t, flushed(before + flushed(firsts[col] + seconds[col])));
    }
  }

  std::array<Tile, 8> tiles_{};
};

template <Left left>
void multiply(const TileProduct& product) {
  EmulatedTiles tiles;
  multiply_tiles<left>(tiles, product);
}

}  // namespace

const TileKernels emulated_tiles = {"emulated tiles",
                                    [] {},
                                    [] {},
                                    multiply<Left::panel>,
                                    multiply<Left::stream>,
                                    multiply_chunk<Left::panel, EmulatedTiles>,
                                    multiply_chunk<Left::stream, EmulatedTiles>,
                                    multiply_few_tokens<EmulatedTiles>};

const TileKernels& tile_kernels() {
  return ops::cpu_isa() == ops::CpuIsa::amx ? *hardware_tiles() : emulated_tiles;
}

}  // namespace cola::kernels
