#pragma once
#include <array>
#include <cstdint>

#include "backend/cpu/kernels/tile_layout.h"

// Tile registers by inline assembly rather than by intrinsics: those of GCC 12 do not say which memory they
// read and write, so that stores before them may be moved behind them or dropped. Here everything that
// touches memory is volatile with a "memory" clobber: compilers keep it in its place among all other
// accesses. No compiler allocates tile registers by itself, so that the numbers here cannot collide with its
// own.
namespace cola::kernels {

/// ldtilecfg's operand (Intel SDM, palette 1).
struct alignas(64) TileConfiguration {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::array<std::uint8_t, 14> reserved{};
  std::array<std::uint16_t, 16> row_bytes{};
  std::array<std::uint8_t, 16> rows{};
};
static_assert(sizeof(TileConfiguration) == 64);

/// All eight tiles of full size.
constexpr TileConfiguration full_tiles() {
  TileConfiguration configuration;
  for (std::size_t tile = 0; tile < 8; ++tile) {
    configuration.row_bytes[tile] = 64;
    configuration.rows[tile] = tile_rows;
  }
  return configuration;
}

/// The tile registers of the thread it is used on, between configure() and release().
struct HardwareTiles {
  static void configure() {
    static constexpr TileConfiguration configuration = full_tiles();
    asm volatile("ldtilecfg %0" : : "m"(configuration) : "memory");
  }
  static void release() { asm volatile("tilerelease" : : : "memory"); }

  template <int tile>
  [[gnu::always_inline]] static void zero() {
    asm volatile("tilezero %%tmm%c0" : : "i"(tile));
  }
  template <int tile>
  [[gnu::always_inline]] static void load(const void* rows) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(rows), "r"(row_stride), "i"(tile) : "memory");
  }
  /// The same; lines read so do not push others out of L1 (measured; the manual calls it a hint).
  template <int tile>
  [[gnu::always_inline]] static void load_streaming(const void* rows) {
    asm volatile("tileloaddt1 (%0,%1,1), %%tmm%c2" : : "r"(rows), "r"(row_stride), "i"(tile) : "memory");
  }
  template <int tile>
  [[gnu::always_inline]] static void store(void* rows) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(rows), "r"(row_stride), "i"(tile) : "memory");
  }
  /// sum [16, 16] += left [16, 32] right, where right's row i holds, for each of 16 columns, rows 2i and
  /// 2i + 1 of the [32, 16] operand.
  template <int sum, int left, int right>
  [[gnu::always_inline]] static void multiply_add() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(sum), "i"(left), "i"(right));
  }

 private:
  static constexpr std::int64_t row_stride = 64;
};

}  // namespace cola::kernels
