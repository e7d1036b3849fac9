#include "backend/cpu/kernels/elementwise.h"

#include "backend/cpu/kernels/by_isa.h"
#include "backend/elementwise.h"

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

template <class T>
const GateKernels<T>& gate_kernels(ops::Gate function) {
  const ElementwiseKernels<T>& kernels = elementwise_kernels<T>();
  return function == ops::Gate::silu ? kernels.silu : kernels.gelu_tanh;
}
template const GateKernels<float>& gate_kernels(ops::Gate);
template const GateKernels<std::uint16_t>& gate_kernels(ops::Gate);

}  // namespace cola::kernels
