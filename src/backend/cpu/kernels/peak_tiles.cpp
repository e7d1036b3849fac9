// Apart from the other peak loops: tiles are no instruction set of their own that everything is built for.
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "backend/cpu/kernels/peak.h"

namespace cola::kernels {
namespace {

constexpr int tile_rows = 16;
constexpr int tile_row_bytes = 64;
constexpr int sums = 6;  // tiles 0 .. 5; more than latency / throughput of a product (52 / 16 cycles)

/// ldtilecfg's operand (Intel SDM, palette 1).
struct alignas(64) TileConfiguration {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::array<std::uint8_t, 14> reserved{};
  std::array<std::uint16_t, 16> row_bytes{};
  std::array<std::uint8_t, 16> rows{};
};
static_assert(sizeof(TileConfiguration) == 64);

struct alignas(64) Tile {
  std::array<std::uint16_t, tile_rows * tile_row_bytes / 2> values;  ///< bf16
};

[[gnu::target("amx-tile,amx-bf16")]] float multiply_tiles(std::int64_t passes) {
  TileConfiguration configuration;
  configuration.row_bytes.fill(0);
  configuration.rows.fill(0);
  for (std::size_t tile = 0; tile < 8; ++tile) {
    configuration.row_bytes[tile] = tile_row_bytes;
    configuration.rows[tile] = tile_rows;
  }
  Tile operand;
  operand.values.fill(0x3a80);  // 2^-10
  std::array<float, tile_rows * tile_row_bytes / sizeof(float)> result{};
  // GCC 12's tile intrinsics do not say that they read and write memory: "m" operands and clobbers do.
  asm volatile("ldtilecfg %0" : : "m"(configuration));
  asm volatile("" : : "r"(&operand) : "memory");
  _tile_loadd(6, operand.values.data(), tile_row_bytes);
  _tile_loadd(7, operand.values.data(), tile_row_bytes);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  for (std::int64_t pass = 0; pass < passes; ++pass) {
    _tile_dpbf16ps(0, 6, 7);
    _tile_dpbf16ps(1, 6, 7);
    _tile_dpbf16ps(2, 6, 7);
    _tile_dpbf16ps(3, 6, 7);
    _tile_dpbf16ps(4, 6, 7);
    _tile_dpbf16ps(5, 6, 7);
  }
  _tile_stored(0, result.data(), tile_row_bytes);
  asm volatile("" : : "r"(&result) : "memory");
  _tile_release();
  return result.front();
}

}  // namespace

const PeakLoop peak_loop_tiles = {"AMX tdpbf16ps", 2.0 * sums* tile_rows * 16 * 32, multiply_tiles};

bool request_tiles() {
  constexpr long request_permission = 0x1023;  // ARCH_REQ_XCOMP_PERM, asm/prctl.h of Linux 5.16
  constexpr long tile_data = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

}  // namespace cola::kernels
