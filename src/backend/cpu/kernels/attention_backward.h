#pragma once
#include <cstdint>

#include "backend/cpu/kernels/attention_blocks.h"
#include "backend/cpu/kernels/rows.h"

namespace cola::ops {
enum class CpuIsa : std::uint8_t;
}

namespace cola::kernels {

/// One sequence, all that continue it, and one key/value head with its query heads, laid out as in
/// AttentionForward.
template <class T>
struct AttentionBackward {
  std::int64_t length, head_dim, group;
  AttentionScores scores;
  Rows<const T> dout;
  Rows<const T> q;
  Rows<const T> k;
  Rows<const T> v;
  Rows<const T> out;
  Rows<const float> log_sum_exp;
  Rows<T> dq;
  Rows<T> dk;
  Rows<T> dv;
  Continuations continuations;
};

/// T = float or std::uint16_t (bf16). `scratch` is 64-byte aligned memory of the caller, one a thread.
template <class T>
struct AttentionBackwardKernels {
  void (*backward)(const AttentionBackward<T>& work,
                   float* scratch);  ///< attention_backward_scratch() floats
};

/// `packed_keys`: see attention_packed_keys().
[[nodiscard]] std::int64_t attention_backward_scratch(std::int64_t packed_keys, std::int64_t head_dim);

namespace isa_baseline {
extern const AttentionBackwardKernels<float> attention_backward_f32;
extern const AttentionBackwardKernels<std::uint16_t> attention_backward_bf16;
}  // namespace isa_baseline
namespace isa_avx2 {
extern const AttentionBackwardKernels<float> attention_backward_f32;
extern const AttentionBackwardKernels<std::uint16_t> attention_backward_bf16;
}  // namespace isa_avx2
namespace isa_avx512 {
extern const AttentionBackwardKernels<float> attention_backward_f32;
extern const AttentionBackwardKernels<std::uint16_t> attention_backward_bf16;
}  // namespace isa_avx512
namespace isa_avx512_bf16 {
extern const AttentionBackwardKernels<float> attention_backward_f32;
extern const AttentionBackwardKernels<std::uint16_t> attention_backward_bf16;
}  // namespace isa_avx512_bf16

/// T = float or std::uint16_t.
template <class T>
[[nodiscard]] const AttentionBackwardKernels<T>& attention_backward_kernels(ops::CpuIsa isa);
template <class T>
[[nodiscard]] const AttentionBackwardKernels<T>& attention_backward_kernels();  ///< of ops::cpu_isa()

}  // namespace cola::kernels
