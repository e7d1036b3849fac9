#include "train/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/system_memory.h"

namespace cola {
namespace {

constexpr std::int64_t float_bytes = sizeof(float);
constexpr std::int64_t logits_chunk_bytes = std::int64_t{32} << 20;  // logits in f32 and their gradient
constexpr std::int64_t program_bytes = std::int64_t{48}
                                       << 20;  // the program, oneDNN's kernels, thread stacks

/// Elements of the compute dtype that a block keeps for one token (see BlockActivations).
std::int64_t kept_per_token(const ModelConfig& config) {
  const std::int64_t query = config.num_attention_heads * config.head_dim;
  const std::int64_t key = config.num_key_value_heads * config.head_dim;
  const std::int64_t mlp = (config.architecture == Architecture::opt ? 1 : 3) * config.intermediate_size;
  return 4 * config.hidden_size + 2 * query + 2 * key + mlp;
}

/// Elements of scratch for one token, once for the whole model: gradients inside a block, and the shared
/// block.
std::int64_t scratch_per_token(const ModelConfig& config) {
  const std::int64_t query = config.num_attention_heads * config.head_dim;
  const std::int64_t key = config.num_key_value_heads * config.head_dim;
  return 4 * config.hidden_size + 2 * query + 2 * key + config.intermediate_size + kept_per_token(config);
}

std::string advice(const ModelConfig& config, MemoryPlanInput input, std::int64_t available) {
  if (input.run.method != Method::full) return "use a smaller --batch-size or --max-length, or --dtype bf16";
  input.run.method = Method::cola;
  const MemoryPlan lower = plan_memory(config, input);
  if (lower.total() <= available)
    return fmt::format("--method cola or lora needs {}", format_bytes(lower.total()));
  return "use a smaller model";
}

}  // namespace

std::string MemoryPlan::summary() const {
  return fmt::format(
      "memory: weights {}, merged copies {}, trained + optimizer {}, activations {}; {} in all",
      format_bytes(weights), format_bytes(merged), format_bytes(trained), format_bytes(activations),
      format_bytes(total()));
}

MemoryPlan plan_memory(const ModelConfig& config, const MemoryPlanInput& input) {
  const auto element = static_cast<std::int64_t>(size_of(input.compute_dtype));
  const std::int64_t parameters = parameter_count(config);
  const std::int64_t per_trained = 2 * float_bytes + optimizer_bytes_per_parameter(input.run.optimizer);
  MemoryPlan plan;
  if (input.run.method == Method::full) {
    plan.trained = parameters * per_trained;
    plan.weights = input.compute_dtype == DType::f32 ? 0 : parameters * element;
  } else {
    plan.weights = parameters * element;
    plan.trained = input.adapter_parameters * per_trained;
    if (input.run.tie == TieMode::merge && input.run.links.size() > 1)
      plan.merged = input.target_parameters * element;
  }
  plan.activations =
      input.batch_tokens * element *
          (config.num_hidden_layers * kept_per_token(config) + scratch_per_token(config)) +
      input.batch_loss_tokens * element * 5 * config.hidden_size +
      std::min(logits_chunk_bytes, input.batch_loss_tokens * config.vocab_size * 2 * float_bytes) +
      program_bytes;
  return plan;
}

void require_memory(const ModelConfig& config, const MemoryPlanInput& input, const MemoryPlan& plan) {
  const std::int64_t available = available_memory_bytes();
  if (plan.total() <= available) return;
  throw Error(fmt::format("this run needs about {} of memory, {} are available\n{}",
                          format_bytes(plan.total()), format_bytes(available),
                          advice(config, input, available)));
}

}  // namespace cola
