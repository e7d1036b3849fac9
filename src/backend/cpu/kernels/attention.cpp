#include "backend/cpu/kernels/attention.h"

#include "backend/cpu/kernels/attention_blocks.h"
#include "backend/cpu/kernels/by_isa.h"

namespace cola::kernels {

std::int64_t attention_forward_scratch(std::int64_t packed_keys, std::int64_t head_dim) {
  return (2 * round_up(packed_keys, key_block) + 2 * query_block) * padded(head_dim) +
         query_block * key_block;
}

std::int64_t attention_cached_scratch(std::int64_t queries, std::int64_t head_dim, std::int64_t group) {
  const std::int64_t count = queries * group;
  return 2 * key_block * padded(head_dim) + cached_queries_at_once * key_block + count * 16 +
         round_up(count, 16) + 2 * count * padded(head_dim);
}

template <>
const AttentionKernels<float>& attention_kernels(ops::CpuIsa isa) {
  return by_isa(isa, isa_baseline::attention_f32, isa_avx2::attention_f32, isa_avx512::attention_f32,
                isa_avx512_bf16::attention_f32);
}
template <>
const AttentionKernels<std::uint16_t>& attention_kernels(ops::CpuIsa isa) {
  return by_isa(isa, isa_baseline::attention_bf16, isa_avx2::attention_bf16, isa_avx512::attention_bf16,
                isa_avx512_bf16::attention_bf16);
}

template <>
const AttentionKernels<float>& attention_kernels() {
  return attention_kernels<float>(ops::cpu_isa());
}
template <>
const AttentionKernels<std::uint16_t>& attention_kernels() {
  return attention_kernels<std::uint16_t>(ops::cpu_isa());
}

}  // namespace cola::kernels
