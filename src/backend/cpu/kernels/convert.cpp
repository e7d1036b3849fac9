#include "backend/cpu/kernels/convert.h"

#include "backend/cpu/kernels/by_isa.h"

namespace cola::kernels {

const ConvertKernels& convert_kernels(ops::CpuIsa isa) {
  return by_isa(isa, isa_baseline::convert, isa_avx2::convert, isa_avx512::convert, isa_avx512_bf16::convert);
}
const ConvertKernels& convert_kernels() { return convert_kernels(ops::cpu_isa()); }

}  // namespace cola::kernels
