#pragma once
#include <cstdint>
#include <string>

#include "model/config.h"
#include "train/run_plan.h"

namespace cola {

/// Bytes a run needs at its peak, estimated before anything is loaded.
struct MemoryPlan {
  std::int64_t weights = 0;      ///< base weights: memory-mapped in place, or converted
  std::int64_t merged = 0;       ///< target modules' merged copies (--tie merge)
  std::int64_t trained = 0;      ///< trained tensors, gradients and optimizer state
  std::int64_t activations = 0;  ///< kept for the backward, scratch and the head's chunk of logits

  [[nodiscard]] std::int64_t total() const { return weights + merged + trained + activations; }
  [[nodiscard]] std::string summary() const;  ///< one line
};

/// What the plan depends on beside the model's shape.
struct MemoryPlanInput {
  RunPlan run;
  DType compute_dtype = DType::f32;
  bool weights_in_place = false;        ///< file dtype = compute dtype
  std::int64_t target_parameters = 0;   ///< of the target modules' weights
  std::int64_t adapter_parameters = 0;  ///< of one link at the highest rank
  std::int64_t batch_tokens = 0;        ///< of the largest batch
  std::int64_t batch_loss_tokens = 0;
};
[[nodiscard]] MemoryPlan plan_memory(const ModelConfig& config, const MemoryPlanInput& input);

/// Throws Error, saying what would fit, if the plan exceeds the memory that is available.
void require_memory(const ModelConfig& config, const MemoryPlanInput& input, const MemoryPlan& plan);

}  // namespace cola
