#include "backend/cpu/kernels/norm.h"

#include "backend/cpu/kernels/by_isa.h"

namespace cola::kernels {

template <>
const NormKernels<float>& norm_kernels(ops::CpuIsa isa) {
  return by_isa(isa, isa_baseline::norm_f32, isa_avx2::norm_f32, isa_avx512::norm_f32,
                isa_avx512_bf16::norm_f32);
}
template <>
const NormKernels<std::uint16_t>& norm_kernels(ops::CpuIsa isa) {
  return by_isa(isa, isa_baseline::norm_bf16, isa_avx2::norm_bf16, isa_avx512::norm_bf16,
                isa_avx512_bf16::norm_bf16);
}

template <>
const NormKernels<float>& norm_kernels() {
  return norm_kernels<float>(ops::cpu_isa());
}
template <>
const NormKernels<std::uint16_t>& norm_kernels() {
  return norm_kernels<std::uint16_t>(ops::cpu_isa());
}

}  // namespace cola::kernels
