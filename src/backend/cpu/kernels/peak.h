#pragma once
#include <cstdint>

namespace cola::ops {
enum class CpuIsa : std::uint8_t;
}

namespace cola::kernels {

/// A loop of independent multiply-adds on registers alone: as many operations a second as the processor can
/// do.
struct PeakLoop {
  const char* instruction;            ///< what it repeats, for reports
  double flops_of_one_pass;           ///< a multiply-add counts as two
  float (*run)(std::int64_t passes);  ///< the result only keeps the work from being optimised away
};

/// The fastest way of an instruction set to multiply matrices of each dtype.
struct PeakLoops {
  PeakLoop f32;
  PeakLoop bf16;  ///< = f32 where the instruction set has no bf16 products: they are then done in f32
  float (*read)(const float* values, std::int64_t count);  ///< their sum: as fast as memory gives them
};

namespace isa_baseline {
extern const PeakLoops peak_loops;
}
namespace isa_avx2 {
extern const PeakLoops peak_loops;
}
namespace isa_avx512 {
extern const PeakLoops peak_loops;
}
namespace isa_avx512_bf16 {
extern const PeakLoops peak_loops;
}

/// Tile products (AMX): to be run only where processor_has_tiles(). Null in a build without AMX.
[[nodiscard]] const PeakLoop* peak_loop_tiles();

}  // namespace cola::kernels
