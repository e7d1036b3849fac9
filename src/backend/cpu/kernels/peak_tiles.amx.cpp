// Apart from the other peak loops: tiles are no instruction set of their own that everything is built for.
#include "backend/cpu/kernels/hardware_tiles.h"
#include "backend/cpu/kernels/peak.h"

namespace cola::kernels {
namespace {

constexpr int sums = 6;  // tiles 0 .. 5; more than latency / throughput of a product (52 / 16 cycles)

float multiply_registers(std::int64_t passes) {
  struct alignas(64) Tile {
    std::array<std::uint16_t, tile_elements> values;  ///< bf16
  } operand;
  operand.values.fill(0x3a80);  // 2^-10
  std::array<float, tile_sums> result{};
  HardwareTiles tiles;
  HardwareTiles::configure();
  tiles.load<6>(operand.values.data());
  tiles.load<7>(operand.values.data());
  tiles.zero<0>();
  tiles.zero<1>();
  tiles.zero<2>();
  tiles.zero<3>();
  tiles.zero<4>();
  tiles.zero<5>();
  for (std::int64_t pass = 0; pass < passes; ++pass) {
    tiles.multiply_add<0, 6, 7>();
    tiles.multiply_add<1, 6, 7>();
    tiles.multiply_add<2, 6, 7>();
    tiles.multiply_add<3, 6, 7>();
    tiles.multiply_add<4, 6, 7>();
    tiles.multiply_add<5, 6, 7>();
  }
  tiles.store<0>(result.data());
  HardwareTiles::release();
  return result.front();
}

constexpr PeakLoop loop = {"AMX tdpbf16ps", 2.0 * sums* tile_rows * 16 * tile_depth, multiply_registers};

}  // namespace

const PeakLoop* peak_loop_tiles() { return &loop; }

}  // namespace cola::kernels
