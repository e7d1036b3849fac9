#include "backend/cpu/kernels/dequantize.h"

#include <stdexcept>

#include "backend/cpu/kernels/by_isa.h"
#include "core/dtype.h"

namespace cola::kernels {
const DequantizeKernels& dequantize_kernels(ops::CpuIsa isa) {
  return by_isa(isa, isa_baseline::dequantize_table, isa_avx2::dequantize_table, isa_avx512::dequantize_table,
                isa_avx512_bf16::dequantize_table);
}

template <class Kernel>
Kernel of_type(const KernelsByType<Kernel>& kernels, DType dtype) {
  switch (dtype) {
    case DType::q4_0:
      return kernels.q4_0;
    case DType::q4_1:
      return kernels.q4_1;
    case DType::q5_0:
      return kernels.q5_0;
    case DType::q5_1:
      return kernels.q5_1;
    case DType::q8_0:
      return kernels.q8_0;
    case DType::q2_k:
      return kernels.q2_k;
    case DType::q3_k:
      return kernels.q3_k;
    case DType::q4_k:
      return kernels.q4_k;
    case DType::q5_k:
      return kernels.q5_k;
    case DType::q6_k:
      return kernels.q6_k;
    case DType::iq4_nl:
      return kernels.iq4_nl;
    case DType::iq4_xs:
      return kernels.iq4_xs;
    case DType::mxfp4:
      return kernels.mxfp4;
    default:
      break;
  }
  throw std::logic_error("not a quantised type");
}

template Expand<float> of_type(const KernelsByType<Expand<float>>&, DType);
template Expand<std::uint16_t> of_type(const KernelsByType<Expand<std::uint16_t>>&, DType);
template DotBlocks<float> of_type(const KernelsByType<DotBlocks<float>>&, DType);
template DotBlocks<std::uint16_t> of_type(const KernelsByType<DotBlocks<std::uint16_t>>&, DType);

}  // namespace cola::kernels
