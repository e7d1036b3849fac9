#pragma once
#include <cstdint>

#include "backend/cpu_isa.h"

namespace cola::kernels {

/// Constants of one AdamW step (ops::AdamW), in double like everything inside these kernels: elements are
/// read and written as f32, so a result is its definition's value rounded once.
struct AdamWConstants {
  double decay;  ///< 1 - lr wd
  double beta1;
  double beta2;
  double step_size;   ///< lr / (1 - beta1^t)
  double root_scale;  ///< 1 / sqrt(1 - beta2^t)
  double epsilon;
};

struct UpdateKernels {
  void (*adamw)(std::int64_t count, const AdamWConstants& c, double gradient_scale, const float* gradient,
                float* parameter, float* m, float* v);
  /// `keep` is the momentum that the buffer's old content is multiplied by: 0 at the first step. buffer may
  /// be null.
  void (*sgd)(std::int64_t count, double learning_rate, double keep, double weight_decay,
              double gradient_scale, const float* gradient, float* parameter, float* buffer);
  void (*adagrad)(std::int64_t count, double learning_rate, double epsilon, double weight_decay,
                  double gradient_scale, const float* gradient, float* parameter, float* sum);
  /// The same bits on every instruction set: squares of f32 are exact in double, and the order of the sum is
  /// fixed.
  double (*sum_of_squares)(std::int64_t count, const float* values);
};

[[nodiscard]] const UpdateKernels& update_kernels(ops::CpuIsa isa);

namespace isa_baseline {
extern const UpdateKernels update_table;
}
namespace isa_avx2 {
extern const UpdateKernels update_table;
}
namespace isa_avx512 {
extern const UpdateKernels update_table;
}
namespace isa_avx512_bf16 {
extern const UpdateKernels update_table;
}

}  // namespace cola::kernels
