#include "backend/cpu/kernels/blocked_product.h"

#include "backend/cpu/kernels/by_isa.h"

namespace cola::kernels {

const BlockedProductKernels& blocked_product_kernels(ops::CpuIsa isa, bool both_bf16) {
  if (both_bf16 && isa >= ops::CpuIsa::avx512_bf16) return isa_avx512_bf16::blocked_pairs_table;
  return by_isa(isa, isa_baseline::blocked_product_table, isa_avx2::blocked_product_table,
                isa_avx512::blocked_product_table, isa_avx512_bf16::blocked_product_table);
}

}  // namespace cola::kernels
