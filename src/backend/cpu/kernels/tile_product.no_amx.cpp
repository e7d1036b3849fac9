// In place of the *.amx.cpp where the compiler does not know AMX.
#include "backend/cpu/kernels/tile_product.h"
#include "backend/cpu/kernels/peak.h"

namespace cola::kernels {

const TileKernels* hardware_tiles() { return nullptr; }
bool processor_has_tiles() { return false; }
const PeakLoop* peak_loop_tiles() { return nullptr; }

}  // namespace cola::kernels
