#pragma once
#include <cstdint>

#include "backend/cpu_isa.h"

namespace cola::kernels {

struct LogitSummary {
  std::int64_t first_largest;  ///< index
  float largest;
  double others;  ///< sum of exp(logit - largest) over all other logits: exact too where it is far below 1
};

/// One row of logits.
struct CrossEntropyKernels {
  /// As ops::LogitTransform says, in place.
  void (*transform)(std::int64_t count, float scale, float soft_cap, float* logits);
  LogitSummary (*summarise)(std::int64_t count, const float* logits);
  /// out[i] = factor * exp(logits[i] - largest), and, unless soft_cap is 0, times its slope 1 - (logits[i] /
  /// soft_cap)^2; out may begin where logits do.
  void (*softmax_f32)(std::int64_t count, const float* logits, float largest, float factor, float soft_cap,
                      float* out);
  void (*softmax_bf16)(std::int64_t count, const float* logits, float largest, float factor, float soft_cap,
                       std::uint16_t* out);
};

[[nodiscard]] const CrossEntropyKernels& cross_entropy_kernels(ops::CpuIsa isa);

namespace isa_baseline {
extern const CrossEntropyKernels cross_entropy_table;
}
namespace isa_avx2 {
extern const CrossEntropyKernels cross_entropy_table;
}
namespace isa_avx512 {
extern const CrossEntropyKernels cross_entropy_table;
}
namespace isa_avx512_bf16 {
extern const CrossEntropyKernels cross_entropy_table;
}

}  // namespace cola::kernels
