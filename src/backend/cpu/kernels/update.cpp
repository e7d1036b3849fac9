#include "backend/cpu/kernels/update.h"

#include "backend/cpu/kernels/by_isa.h"

namespace cola::kernels {

const UpdateKernels& update_kernels(ops::CpuIsa isa) {
  return by_isa(isa, isa_baseline::update_table, isa_avx2::update_table, isa_avx512::update_table,
                isa_avx512_bf16::update_table);
}

}  // namespace cola::kernels
