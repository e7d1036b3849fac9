#include <sys/syscall.h>
#include <unistd.h>

#include "backend/cpu/kernels/hardware_tiles.h"
#include "backend/cpu/kernels/tile_chunk_loop.h"
#include "backend/cpu/kernels/tile_product_loop.h"

namespace cola::kernels {
namespace {

template <Left left>
void multiply(const TileProduct& product) {
  HardwareTiles tiles;
  multiply_tiles<left>(tiles, product);
}

constexpr TileKernels table = {"AMX tiles",
                               HardwareTiles::configure,
                               HardwareTiles::release,
                               multiply<Left::panel>,
                               multiply<Left::stream>,
                               multiply_chunk<Left::panel, HardwareTiles>,
                               multiply_chunk<Left::stream, HardwareTiles>,
                               multiply_few_tokens<HardwareTiles>};

}  // namespace

const TileKernels* hardware_tiles() { return &table; }

bool processor_has_tiles() {
  if (__builtin_cpu_supports("amx-tile") == 0 || __builtin_cpu_supports("amx-bf16") == 0) return false;
  constexpr long request_permission = 0x1023;  // ARCH_REQ_XCOMP_PERM, asm/prctl.h of Linux 5.16
  constexpr long tile_data = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

}  // namespace cola::kernels
