#include "backend/cpu/kernels/elementwise.h"

#include "backend/cpu/kernels/by_isa.h"

namespace cola::kernels {

template <>
const ElementwiseKernels<float>& elementwise_kernels(ops::CpuIsa isa) {
  return by_isa(isa, isa_baseline::elementwise_f32, isa_avx2::elementwise_f32, isa_avx512::elementwise_f32,
                isa_avx512_bf16::elementwise_f32);
}
template <>
const ElementwiseKernels<std::uint16_t>& elementwise_kernels(ops::CpuIsa isa) {
  return by_isa(isa, isa_baseline::elementwise_bf16, isa_avx2::elementwise_bf16, isa_avx512::elementwise_bf16,
                isa_avx512_bf16::elementwise_bf16);
}

template <>
const ElementwiseKernels<float>& elementwise_kernels() {
  return elementwise_kernels<float>(ops::cpu_isa());
}
template <>
const ElementwiseKernels<std::uint16_t>& elementwise_kernels() {
  return elementwise_kernels<std::uint16_t>(ops::cpu_isa());
}

}  // namespace cola::kernels
