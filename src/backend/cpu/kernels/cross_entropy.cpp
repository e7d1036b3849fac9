#include "backend/cpu/kernels/cross_entropy.h"

#include "backend/cpu/kernels/by_isa.h"

namespace cola::kernels {

const CrossEntropyKernels& cross_entropy_kernels(ops::CpuIsa isa) {
  return by_isa(isa, isa_baseline::cross_entropy_table, isa_avx2::cross_entropy_table,
                isa_avx512::cross_entropy_table, isa_avx512_bf16::cross_entropy_table);
}

}  // namespace cola::kernels
