#include "backend/cpu/kernels/thin_product.h"

#include "backend/cpu/kernels/by_isa.h"

namespace cola::kernels {

const ThinProductKernels& thin_product_kernels(ops::CpuIsa isa) {
  return by_isa(isa, isa_baseline::thin_product_table, isa_avx2::thin_product_table,
                isa_avx512::thin_product_table, isa_avx512_bf16::thin_product_table);
}

}  // namespace cola::kernels
