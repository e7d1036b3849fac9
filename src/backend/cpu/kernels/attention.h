#pragma once
#include <cstdint>

#include "backend/cpu/kernels/attention_blocks.h"
#include "backend/cpu/kernels/rows.h"

namespace cola::ops {
enum class CpuIsa : std::uint8_t;
}

namespace cola::kernels {

/// One sequence, all that continue it, and one key/value head with the `group` query heads that read it:
/// query head h of the group is columns h * head_dim .. of q and out. The queries are the last of the keys'
/// positions: query i attends to keys up to keys - queries + i.
template <class T>
struct AttentionForward {
  std::int64_t queries, keys, head_dim, group;
  AttentionScores scores;
  Rows<const T> q;
  Rows<const T> k;
  Rows<const T> v;
  Rows<T> out;
  Rows<float> log_sum_exp;  ///< column h is query head h of the group; data may be null
  Continuations continuations;
};

/// T = float or std::uint16_t (bf16). `scratch` is 64-byte aligned memory of the caller, one a thread.
template <class T>
struct AttentionKernels {
  void (*forward)(const AttentionForward<T>& work, float* scratch);  ///< attention_forward_scratch() floats
  /// The same for few queries: keys and values are read once, without packing. attention_cached_scratch()
  /// floats.
  void (*cached)(const AttentionForward<T>& work, float* scratch);
};

/// `packed_keys`: see attention_packed_keys().
[[nodiscard]] std::int64_t attention_forward_scratch(std::int64_t packed_keys, std::int64_t head_dim);
[[nodiscard]] std::int64_t attention_cached_scratch(std::int64_t queries, std::int64_t head_dim,
                                                    std::int64_t group);

namespace isa_baseline {
extern const AttentionKernels<float> attention_f32;
extern const AttentionKernels<std::uint16_t> attention_bf16;
}  // namespace isa_baseline
namespace isa_avx2 {
extern const AttentionKernels<float> attention_f32;
extern const AttentionKernels<std::uint16_t> attention_bf16;
}  // namespace isa_avx2
namespace isa_avx512 {
extern const AttentionKernels<float> attention_f32;
extern const AttentionKernels<std::uint16_t> attention_bf16;
}  // namespace isa_avx512
namespace isa_avx512_bf16 {
extern const AttentionKernels<float> attention_f32;
extern const AttentionKernels<std::uint16_t> attention_bf16;
}  // namespace isa_avx512_bf16

/// T = float or std::uint16_t.
template <class T>
[[nodiscard]] const AttentionKernels<T>& attention_kernels(ops::CpuIsa isa);
template <class T>
[[nodiscard]] const AttentionKernels<T>& attention_kernels();  ///< of ops::cpu_isa()

}  // namespace cola::kernels
