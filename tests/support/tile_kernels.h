#pragma once
#include <vector>

#include "backend/cpu/kernels/tile_product.h"
#include "backend/cpu_isa.h"

namespace cola::test {

/// Emulated tiles, and those of a processor that has them.
inline std::vector<const kernels::TileKernels*> tile_kernels_here() {
  std::vector<const kernels::TileKernels*> all = {&kernels::emulated_tiles};
  if (ops::cpu_isa() == ops::CpuIsa::amx) all.push_back(kernels::hardware_tiles());
  return all;
}

}  // namespace cola::test
