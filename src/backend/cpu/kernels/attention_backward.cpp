#include "backend/cpu/kernels/attention_backward.h"

#include "backend/cpu/kernels/attention_blocks.h"
#include "backend/cpu/kernels/by_isa.h"

namespace cola::kernels {

std::int64_t attention_backward_scratch(std::int64_t packed_keys, std::int64_t head_dim) {
  return (5 * round_up(packed_keys, key_block) + 3 * query_block) * padded(head_dim) +
         2 * query_block * key_block;
}

template <>
const AttentionBackwardKernels<float>& attention_backward_kernels(ops::CpuIsa isa) {
  return by_isa(isa, isa_baseline::attention_backward_f32, isa_avx2::attention_backward_f32,
                isa_avx512::attention_backward_f32, isa_avx512_bf16::attention_backward_f32);
}
template <>
const AttentionBackwardKernels<std::uint16_t>& attention_backward_kernels(ops::CpuIsa isa) {
  return by_isa(isa, isa_baseline::attention_backward_bf16, isa_avx2::attention_backward_bf16,
                isa_avx512::attention_backward_bf16, isa_avx512_bf16::attention_backward_bf16);
}

template <>
const AttentionBackwardKernels<float>& attention_backward_kernels() {
  return attention_backward_kernels<float>(ops::cpu_isa());
}
template <>
const AttentionBackwardKernels<std::uint16_t>& attention_backward_kernels() {
  return attention_backward_kernels<std::uint16_t>(ops::cpu_isa());
}

}  // namespace cola::kernels
