#pragma once
#include <cstdint>

#include "backend/cpu/kernels/rows.h"

namespace cola::ops {
enum class CpuIsa : std::uint8_t;
enum class Gate : std::uint8_t;
}  // namespace cola::ops

namespace cola::kernels {

/// What identifies a dropout mask: see ops::dropout.
struct DropoutMask {
  std::uint32_t key[2];
  float probability;
};

/// Columns of relu's mask that share 8 bytes: bit k of byte j is column 8 k + j of its group. A block of
/// whole groups can be done apart from its neighbours.
constexpr std::int64_t mask_group = 64;

/// A gated MLP's function (ops::Gate) on matrices [rows, cols].
template <class T>
struct GateKernels {
  void (*forward)(std::int64_t rows, std::int64_t cols, Rows<const T> gate, Rows<const T> up, Rows<T> h);
  void (*backward)(std::int64_t rows, std::int64_t cols, Rows<const T> dh, Rows<const T> gate,
                   Rows<const T> up, Rows<T> dgate, Rows<T> dup);
};

/// The ops of backend/elementwise.h on matrices [rows, cols] of T = float or std::uint16_t (bf16).
template <class T>
struct ElementwiseKernels {
  void (*add)(std::int64_t rows, std::int64_t cols, Rows<const T> a, Rows<const T> b, float scale, Rows<T> y);
  void (*scale)(std::int64_t rows, std::int64_t cols, Rows<const T> x, float factor, Rows<T> y);
  /// positive.data may be null: no mask is written.
  void (*relu_forward)(std::int64_t rows, std::int64_t cols, Rows<T> x, Rows<std::uint8_t> positive);
  void (*relu_backward)(std::int64_t rows, std::int64_t cols, Rows<const T> dy,
                        Rows<const std::uint8_t> positive, Rows<T> dx);
  GateKernels<T> silu, gelu_tanh;
  void (*dropout)(std::int64_t rows, std::int64_t cols, Rows<const T> x, const DropoutMask& mask,
                  const std::uint64_t* token_keys, Rows<T> y);
  /// x1 cos -+ x2 sin on the first 2 * half numbers of every head of every row; cos and sin are read at row
  /// positions[t]. sign: 1, or -1 to invert.
  void (*rotary)(std::int64_t rows, std::int64_t heads, std::int64_t head_dim, std::int64_t half, Rows<T> x,
                 const std::int32_t* positions, Rows<const float> cos, Rows<const float> sin, float sign);
};

namespace isa_baseline {
extern const ElementwiseKernels<float> elementwise_f32;
extern const ElementwiseKernels<std::uint16_t> elementwise_bf16;
}  // namespace isa_baseline
namespace isa_avx2 {
extern const ElementwiseKernels<float> elementwise_f32;
extern const ElementwiseKernels<std::uint16_t> elementwise_bf16;
}  // namespace isa_avx2
namespace isa_avx512 {
extern const ElementwiseKernels<float> elementwise_f32;
extern const ElementwiseKernels<std::uint16_t> elementwise_bf16;
}  // namespace isa_avx512
namespace isa_avx512_bf16 {
extern const ElementwiseKernels<float> elementwise_f32;
extern const ElementwiseKernels<std::uint16_t> elementwise_bf16;
}  // namespace isa_avx512_bf16

/// T = float or std::uint16_t.
template <class T>
[[nodiscard]] const ElementwiseKernels<T>& elementwise_kernels(ops::CpuIsa isa);
template <class T>
[[nodiscard]] const ElementwiseKernels<T>& elementwise_kernels();  ///< of ops::cpu_isa()
template <class T>
[[nodiscard]] const GateKernels<T>& gate_kernels(ops::Gate function);  ///< of ops::cpu_isa()

}  // namespace cola::kernels
