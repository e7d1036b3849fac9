#include "train/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/cpu_isa.h"
#include "backend/cross_entropy.h"
#include "backend/elementwise.h"
#include "core/parallel.h"
#include "core/system_memory.h"
#include "model/linear_names.h"
#include "model/rotary_table.h"
#include "model/weight_stream.h"

namespace cola {
namespace {

constexpr std::int64_t float_bytes = sizeof(float);
// What computing loads, measured on models of 0.26 to 350 million parameters: oneDNN's kernels, threads'
// stacks, thin scratch matrices; f32 products also pack operands (4 MiB with AVX-512, some 10 with AVX2), and
// bf16 ones without hardware for them widen operands and keep sums, in each thread.
constexpr std::int64_t computing_bytes = std::int64_t{4} << 20;
constexpr std::int64_t f32_products_bytes = std::int64_t{8} << 20;
constexpr std::int64_t widened_products_bytes = std::int64_t{4} << 20;
// A device's workspace of products and descriptions of batches.
constexpr std::int64_t device_bytes = std::int64_t{64} << 20;
constexpr std::int64_t knot_rows = 64;  // whose logits a knot compares, before and after

struct Widths {
  explicit Widths(const ModelConfig& config)
      : gated(config.activation == Activation::silu_gate),
        head_norms(config.head_norms),
        post_norm(!config.do_layer_norm_before),
        hidden(config.hidden_size),
        query(config.num_attention_heads * config.head_dim),
        key(config.num_key_value_heads * config.head_dim),
        mlp(config.intermediate_size) {}

  bool gated, head_norms, post_norm;
  std::int64_t hidden, query, key, mlp;
};

/// What is trained in one block, as far as it decides what the block keeps.
struct BlockTargets {
  std::int64_t branches = 0;
  bool any = false;
  bool last_input = false;  ///< whether a backward reads what the last layer reads
};

std::vector<BlockTargets> block_targets(const ModelConfig& config, const MemoryPlanInput& input) {
  std::vector<BlockTargets> blocks(static_cast<std::size_t>(config.num_hidden_layers));
  if (input.run.method == Method::full) {
    std::ranges::fill(blocks, BlockTargets{0, true, true});
    return blocks;
  }
  const auto linears = linear_specs(config);
  for (const std::size_t index : input.targets) {
    const ParameterSpec& spec = linears[index];
    if (spec.role == ParameterRole::project_in) blocks.front().any = true;  // the backward goes below
    if (spec.block < 0) continue;
    BlockTargets& block = blocks[static_cast<std::size_t>(spec.block)];
    block.any = true;
    ++block.branches;
    block.last_input |= spec.role == ParameterRole::down;
  }
  return blocks;
}

/// Bytes that BlockActivations hold for one token, with and without StepState::keep.
std::int64_t block_bytes(const ModelConfig& config, const BlockTargets& block, std::int64_t element,
                         std::int64_t rank, bool keep) {
  const Widths width(config);
  std::int64_t elements = 2 * width.query + 2 * width.key;  // q, attention's output; k, v
  if (width.post_norm) elements += 2 * width.hidden;        // inputs of both norms
  if (width.gated) elements += 2 * width.mlp;               // gate, up
  std::int64_t bytes = float_bytes * (config.num_attention_heads + 4 + block.branches * rank);
  if (width.head_norms) {  // what they read, and a number a head
    elements += width.query + width.key;
    bytes += float_bytes * (config.num_attention_heads + config.num_key_value_heads);
  }
  if (keep) {
    if (!width.post_norm) elements += width.hidden;  // the stream between the branches
    if (block.last_input && !width.gated) elements += width.mlp;
    if (!width.gated) bytes += ops::relu_mask_bytes(1, width.mlp);
  }
  return bytes + elements * element;
}

/// Scratch elements for one token, once for the whole model: the residual stream and what passes in a block.
std::int64_t forward_elements(const ModelConfig& config, const MemoryPlanInput& input) {
  const Widths width(config);
  std::int64_t elements = 2 * width.hidden + width.mlp;  // x, normed, hidden
  if (!config.rotary) elements += width.hidden;          // positions' rows
  if (input.hidden_dropout) elements += width.hidden;
  return elements;
}
std::int64_t backward_elements(const Widths& width, const MemoryPlanInput& input, bool last_input) {
  std::int64_t elements = (width.post_norm ? 2 : 1) * width.hidden + 2 * width.query + 2 * width.key;
  if (width.head_norms) elements += width.query + width.key;
  if (last_input && width.gated) elements += width.mlp;  // its input is made again beside its gradient
  if (input.hidden_dropout) elements += width.hidden;
  if (input.lora_dropout) elements += 2 * std::max(width.hidden, last_input ? width.mlp : 0);
  return elements;
}

std::int64_t plan_blocks(const ModelConfig& config, const MemoryPlanInput& input, std::int64_t element,
                         std::int64_t rank) {
  const Widths width(config);
  const auto targets = block_targets(config, input);
  const auto first = std::ranges::find_if(targets, &BlockTargets::any);
  std::int64_t kept = 0;     // for a token, by all blocks that a backward passes
  std::int64_t largest = 0;  // of them
  std::int64_t passing = 0;  // of a block that keeps nothing
  bool last_input = false;
  for (auto block = targets.begin(); block != targets.end(); ++block) {
    passing = std::max(passing, block_bytes(config, *block, element, rank, false));
    if (block < first) continue;
    const std::int64_t bytes = block_bytes(config, *block, element, rank, true);
    largest = std::max(largest, bytes);
    kept += (input.activation_checkpointing ? 0 : bytes) + width.hidden * element;
    last_input |= block->last_input;
  }
  const bool knots = input.run.links.size() > 1;
  const std::int64_t passing_tokens =
      std::max(knots || first != targets.begin() ? input.batch_tokens : 0, input.evaluation_tokens);
  const std::int64_t shared =
      std::max(input.activation_checkpointing ? input.batch_tokens * largest : 0, passing_tokens * passing);
  const std::int64_t forward_tokens = std::max(input.batch_tokens, input.evaluation_tokens);
  return input.batch_tokens * (kept + element * backward_elements(width, input, last_input)) + shared +
         forward_tokens * element * forward_elements(config, input);
}

/// Rows of logits that are made at a time.
std::int64_t logits_rows(const ModelConfig& config, const MemoryPlanInput& input) {
  const auto of = [&](std::int64_t rows) {
    return ops::logits_chunk_rows(input.logits_chunk_bytes, rows, config.vocab_size);
  };
  return std::max(of(input.batch_loss_tokens), of(input.evaluation_tokens));
}

/// The head: the rows with loss in five matrices, and a chunk of logits with its gradient.
std::int64_t plan_head(const ModelConfig& config, const MemoryPlanInput& input, std::int64_t element) {
  const std::int64_t rows = std::max(input.batch_loss_tokens, input.evaluation_tokens);
  const std::int64_t widths = 3 * config.hidden_size + 2 * config.word_embed_proj_dim;
  const std::int64_t chunk = logits_rows(config, input);
  const std::int64_t logit_bytes = float_bytes + (input.compute_dtype == DType::f32 ? 0 : element);
  const std::int64_t compared =
      input.run.links.size() > 1 ? 2 * float_bytes * std::min(knot_rows, input.batch_loss_tokens) : 0;
  return rows * element * widths + config.vocab_size * (chunk * logit_bytes + compared);
}

/// What products with packed weights hold beside their operands: the largest one's activations in tiles, and
/// each thread's sums.
std::int64_t plan_packed_products(const ModelConfig& config, const MemoryPlanInput& input,
                                  std::int64_t element) {
  constexpr std::int64_t thread_bytes = std::int64_t{1} << 20;
  const Widths width(config);
  const std::int64_t tokens = std::max(input.batch_tokens, input.evaluation_tokens);
  const std::int64_t largest = std::max(tokens * std::max({width.hidden, width.query, width.mlp}),
                                        logits_rows(config, input) * config.vocab_size);
  return largest * element + thread_count() * thread_bytes;
}

/// Moves the blocks' weights and their merged copies to the host; the device has two blocks' room, and rounds
/// a merged matrix, of `largest` elements at most, before it is kept.
void offload(const ModelConfig& config, const MemoryPlanInput& input, std::int64_t largest,
             MemoryPlan& plan) {
  const auto element = static_cast<std::int64_t>(size_of(input.compute_dtype));
  const StreamedBytes streamed = streamed_bytes(config, input.compute_dtype);
  plan.weights += streamed.on_device - streamed.on_host;
  plan.offloaded = streamed.on_host;
  if (plan.merged == 0) return;
  const auto linears = linear_specs(config);
  for (const std::size_t index : input.targets) {
    if (linears[index].block < 0) continue;
    const std::int64_t bytes = linears[index].size() * element;
    plan.merged -= bytes;
    plan.offloaded += bytes;
  }
  if (input.compute_dtype != DType::f32) plan.merged += largest * element;
}

std::int64_t sum_bytes(const MemoryPlanInput& input, std::int64_t trained) {
  return input.ranks == nullptr ? 0 : input.ranks->sum_bytes(trained);
}

}  // namespace

std::string MemoryPlan::summary() const {
  return fmt::format(
      "memory: weights {}, merged copies {}, trained + optimizer {}, activations {}, program and data {}; {} "
      "in all{}",
      format_bytes(weights), format_bytes(merged), format_bytes(trained), format_bytes(activations),
      format_bytes(program), format_bytes(total()),
      offloaded > 0 ? fmt::format(", and {} of the host's for the offloaded weights", format_bytes(offloaded))
                    : "");
}

MemoryPlan plan_memory(const ModelConfig& config, const MemoryPlanInput& input) {
  const auto element = static_cast<std::int64_t>(size_of(input.compute_dtype));
  const std::int64_t parameters = parameter_count(config);
  const std::int64_t per_trained = 2 * float_bytes + optimizer_bytes_per_parameter(input.run.optimizer);
  const bool full = input.run.method == Method::full;
  MemoryPlan plan;
  plan.weights = full && input.compute_dtype == DType::f32 ? 0 : parameters * element;
  std::int64_t rank = 0;
  for (const auto& link : input.run.links) rank = std::max(rank, link.rank);
  if (full) {
    std::int64_t largest = 0;  // saved a tensor at a time, from f32; what is rounded beside the file's values
    for (const auto& spec : parameter_specs(config)) largest = std::max(largest, spec.size());
    plan.trained = parameters * per_trained + sum_bytes(input, parameters) +
                   largest * (float_bytes + static_cast<std::int64_t>(size_of(input.saved_dtype)) +
                              (input.saved_dtype == DType::f32 ? 0 : float_bytes));
  } else {
    const auto linears = linear_names(config);
    std::int64_t targets = 0;
    std::int64_t adapter = 0;
    std::int64_t largest = 0;
    for (const std::size_t index : input.targets) {
      const std::int64_t size = linears[index].out_features * linears[index].in_features;
      targets += size;
      largest = std::max(largest, size);
      adapter += rank * (linears[index].out_features + linears[index].in_features);
    }
    const std::int64_t tied = std::max<std::int64_t>(0, input.tied_links + std::ssize(input.run.links) - 1);
    plan.trained = adapter * (per_trained + tied * float_bytes) + sum_bytes(input, adapter);
    // A merged weight takes the place of the file's pages, if they were used as they are. One is made in f32.
    if (input.run.tie == TieMode::merge && tied > 0)
      plan.merged = (input.in_place() ? 0 : targets * element) + largest * float_bytes;
    if (input.offload_base) offload(config, input, largest, plan);
  }
  plan.activations = plan_blocks(config, input, element, rank) + plan_head(config, input, element);
  for (const RotarySpec& table : config.rotary_tables)
    plan.activations += rotary_table_bytes(table, input.positions);
  if (input.packed_weights) plan.activations += plan_packed_products(config, input, element);
  if (input.in_device_memory) {
    plan.program = device_bytes;
    return plan;
  }
  plan.program = input.resident_bytes + computing_bytes;
  if (input.compute_dtype == DType::f32) {
    plan.program += f32_products_bytes;
  } else if (!ops::has_bf16_products()) {
    plan.program += thread_count() * widened_products_bytes;
  }
  return plan;
}

}  // namespace cola
