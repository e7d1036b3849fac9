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
  LogitSummary (*summarise)(std::int64_t count, const float* logits);
  /// out[i] = factor * exp(logits[i] - largest); out may be logits.
  void (*softmax_f32)(std::int64_t count, const float* logits, float largest, float factor, float* out);
  void (*softmax_bf16)(std::int64_t count, const float* logits, float largest, float factor,
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
