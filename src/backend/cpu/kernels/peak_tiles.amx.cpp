// Apart from the other peak loops: tiles are no instruction set of their own that everything is built for.
#include "backend/cpu/kernels/hardware_tiles.h"
#include "backend/cpu/kernels/peak.h"

namespace cola::kernels {
namespace {

constexpr int sums = 6;  // tiles 0 .. 5; more than latency / throughput of a product (52 / 16 cycles)

float multiply_registers(std::int64_t passes) {
  alignas(64) std::array<std::uint16_t, tile_elements> operand{};  // bf16
  operand.fill(0x3a80);                                            // 2^-10
  std::array<float, tile_sums> result{};
  HardwareTiles::configure();
  HardwareTiles::load<6>(operand.data());
  HardwareTiles::load<7>(operand.data());
  HardwareTiles::zero<0>();
  HardwareTiles::zero<1>();
  HardwareTiles::zero<2>();
  HardwareTiles::zero<3>();
  HardwareTiles::zero<4>();
  HardwareTiles::zero<5>();
  for (std::int64_t pass = 0; pass < passes; ++pass) {
    HardwareTiles::multiply_add<0, 6, 7>();
    HardwareTiles::multiply_add<1, 6, 7>();
    HardwareTiles::multiply_add<2, 6, 7>();
    HardwareTiles::multiply_add<3, 6, 7>();
    HardwareTiles::multiply_add<4, 6, 7>();
    HardwareTiles::multiply_add<5, 6, 7>();
  }
  HardwareTiles::store<0>(result.data());
  HardwareTiles::release();
  return result.front();
}

constexpr PeakLoop loop = {"AMX tdpbf16ps", 2.0 * sums* tile_rows * 16 * tile_depth, multiply_registers};

}  // namespace

const PeakLoop* peak_loop_tiles() { return &loop; }

}  // namespace cola::kernels
