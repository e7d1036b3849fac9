#pragma once
#include <cstdint>

#include "backend/cpu/kernels/rows.h"

namespace cola::ops {
enum class CpuIsa : std::uint8_t;
}

namespace cola::kernels {

/// Element by element with round to nearest even; bf16 and f16 are std::uint16_t here.
struct ConvertKernels {
  void (*f32_to_bf16)(std::int64_t rows, std::int64_t cols, Rows<const float> from, Rows<std::uint16_t> to);
  void (*bf16_to_f32)(std::int64_t rows, std::int64_t cols, Rows<const std::uint16_t> from, Rows<float> to);
  void (*f16_to_f32)(std::int64_t rows, std::int64_t cols, Rows<const std::uint16_t> from, Rows<float> to);
  void (*f16_to_bf16)(std::int64_t rows, std::int64_t cols, Rows<const std::uint16_t> from,
                      Rows<std::uint16_t> to);
};

namespace isa_baseline {
extern const ConvertKernels convert;
}
namespace isa_avx2 {
extern const ConvertKernels convert;
}
namespace isa_avx512 {
extern const ConvertKernels convert;
}
namespace isa_avx512_bf16 {
extern const ConvertKernels convert;
}

[[nodiscard]] const ConvertKernels& convert_kernels(ops::CpuIsa isa);
[[nodiscard]] const ConvertKernels& convert_kernels();  ///< of ops::cpu_isa()

}  // namespace cola::kernels
