#pragma once
#include <cstdint>

#include "backend/cpu/kernels/rows.h"

namespace cola::ops {
enum class CpuIsa : std::uint8_t;
}

namespace cola::kernels {

template <class T>
struct NormForward {
  std::int64_t rows, cols;
  Rows<const T> x;
  const float* weight;
  const float* bias;  ///< layer norm only
  float eps;
  Rows<T> y;
  float* mean;  ///< layer norm only
  float* rstd;
  bool unit_offset = false;  ///< RMS norm only, as ops::RmsNorm has them
  bool rounds_before_weight = false;
};

template <class T>
struct NormBackward {
  std::int64_t rows, cols;
  Rows<const T> dy;
  Rows<const T> x;
  const float* weight;
  const float* mean;  ///< layer norm only
  const float* rstd;
  Rows<T> dx;
  bool add;                  ///< dx += instead of dx =
  float* dweight;            ///< [cols], added to row by row; may be null
  float* dbias;              ///< as dweight
  bool unit_offset = false;  ///< RMS norm only
};

/// The ops of backend/norm.h for T = float or std::uint16_t (bf16).
template <class T>
struct NormKernels {
  void (*layer_norm_forward)(const NormForward<T>& work);
  void (*rms_norm_forward)(const NormForward<T>& work);
  void (*layer_norm_backward)(const NormBackward<T>& work);
  void (*rms_norm_backward)(const NormBackward<T>& work);
};

namespace isa_baseline {
extern const NormKernels<float> norm_f32;
extern const NormKernels<std::uint16_t> norm_bf16;
}  // namespace isa_baseline
namespace isa_avx2 {
extern const NormKernels<float> norm_f32;
extern const NormKernels<std::uint16_t> norm_bf16;
}  // namespace isa_avx2
namespace isa_avx512 {
extern const NormKernels<float> norm_f32;
extern const NormKernels<std::uint16_t> norm_bf16;
}  // namespace isa_avx512
namespace isa_avx512_bf16 {
extern const NormKernels<float> norm_f32;
extern const NormKernels<std::uint16_t> norm_bf16;
}  // namespace isa_avx512_bf16

/// T = float or std::uint16_t.
template <class T>
[[nodiscard]] const NormKernels<T>& norm_kernels(ops::CpuIsa isa);
template <class T>
[[nodiscard]] const NormKernels<T>& norm_kernels();  ///< of ops::cpu_isa()

}  // namespace cola::kernels
