#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"
#include "model/config.h"

namespace cola {

/// A training step to time: random weights, random token ids, loss on every token but the first, AdamW.
struct StepBenchmarkOptions {
  ModelConfig config;
  DType dtype = DType::f32;
  bool full = false;  ///< all weights are trained, else one link of LoRA
  std::int64_t batch_size = 8;
  std::int64_t seq_length = 128;
  std::int64_t lora_r = 8;
  double lora_alpha = 16.0;
  std::vector<std::string> target_modules{"q_proj", "v_proj"};
  std::int64_t steps = 5;
  bool activation_checkpointing = false;
};

struct StepBenchmark {
  double seconds_per_step =
      0.0;  ///< median of the steps, after one that is not counted: forward, backward, update
  double tokens_per_second = 0.0;
  double flops_per_step = 0.0;        ///< counted in the products that were done
  double model_flops_per_step = 0.0;  ///< 4 (full: 6) FLOPs a parameter and token: necessary_flops()
  double peak_flops_per_second =
      0.0;                        ///< of a multiply-add loop on registers, the faster of before and after
  double fraction_of_peak = 0.0;  ///< model_flops_per_step / seconds_per_step / peak_flops_per_second
  std::string_view peak_instruction;
  std::int64_t peak_rss_bytes = 0;  ///< of the whole process
  std::int64_t trained_parameters = 0;
  double loss = 0.0;  ///< of the last step
};

/// What a step cannot do without, attention scores left aside: 2 FLOPs forward and 2 for the gradient of the
/// input for each weight of a matrix product (the head included, looked-up tables not) and token, and with
/// all weights trained 2 for the gradient of the weight.
[[nodiscard]] double necessary_flops(const ModelConfig& config, bool full, std::int64_t tokens);

/// Throws UsageError for a number out of range, Error if the weights do not fit into memory.
[[nodiscard]] StepBenchmark benchmark_step(const StepBenchmarkOptions& options);

}  // namespace cola
