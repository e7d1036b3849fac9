#include "backend/cpu/kernels/tile_operands.h"

#include "backend/cpu/kernels/by_isa.h"

namespace cola::kernels {

const TileOperandKernels& tile_operand_kernels(ops::CpuIsa isa) {
  return by_isa(isa, isa_baseline::tile_operands, isa_avx2::tile_operands, isa_avx512::tile_operands,
                isa_avx512_bf16::tile_operands);
}

}  // namespace cola::kernels
