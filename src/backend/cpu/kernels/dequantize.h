#pragma once
#include <cstdint>

namespace cola {
enum class DType : std::uint8_t;
namespace ops {
enum class CpuIsa : std::uint8_t;
}
}  // namespace cola

namespace cola::kernels {

/// The values of `blocks` whole blocks of a quantised type, which may be unaligned: in f32 the bits of
/// cola::dequantize (core/quantized_blocks.h), in bf16 (std::uint16_t) those rounded to nearest even. Scales
/// are finite.
template <class T>
using Expand = void (*)(std::int64_t blocks, const std::uint8_t* from, T* to);

/// The sum, in f32, of the products of x with those values.
template <class T>
using DotBlocks = float (*)(std::int64_t blocks, const std::uint8_t* from, const T* x);

template <class Kernel>
struct KernelsByType {
  Kernel q4_0, q4_1, q5_0, q5_1, q8_0, q2_k, q3_k, q4_k, q5_k, q6_k, iq4_nl, iq4_xs, mxfp4;
};
struct DequantizeKernels {
  KernelsByType<Expand<float>> f32;
  KernelsByType<Expand<std::uint16_t>> bf16;
  KernelsByType<DotBlocks<float>> dot_f32;
  KernelsByType<DotBlocks<std::uint16_t>> dot_bf16;
};

[[nodiscard]] const DequantizeKernels& dequantize_kernels(ops::CpuIsa isa);

/// The kernel of a quantised type.
template <class Kernel>
[[nodiscard]] Kernel of_type(const KernelsByType<Kernel>& kernels, DType dtype);

namespace isa_baseline {
extern const DequantizeKernels dequantize_table;
}
namespace isa_avx2 {
extern const DequantizeKernels dequantize_table;
}
namespace isa_avx512 {
extern const DequantizeKernels dequantize_table;
}
namespace isa_avx512_bf16 {
extern const DequantizeKernels dequantize_table;
}

}  // namespace cola::kernels
