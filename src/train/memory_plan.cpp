#include "train/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "backend/cross_entropy.h"
#include "backend/elementwise.h"
#include "backend/packed_matrix.h"
#include "core/parallel.h"
#include "core/system_memory.h"
#include "model/block.h"
#include "model/linear_names.h"
#include "model/parameter_spec.h"
#include "model/rotary_table.h"
#include "model/weight_stream.h"

namespace cola {
namespace {

constexpr std::int64_t float_bytes = sizeof(float);
// What computing loads, measured on models of 0.26 to 350 million parameters: oneDNN's kernels, threads'
// stacks, thin scratch matrices; f32 products also pack operands (4 MiB with AVX-512, some 10 with AVX2), and
// bf16 ones without tiles pack operands and keep sums, in each thread.
constexpr std::int64_t computing_bytes = std::int64_t{4} << 20;
constexpr std::int64_t f32_products_bytes = std::int64_t{8} << 20;
constexpr std::int64_t blocked_products_bytes = std::int64_t{4} << 20;
// A device's workspace of products and descriptions of batches.
constexpr std::int64_t device_bytes = std::int64_t{64} << 20;
constexpr std::int64_t knot_rows = 64;  // whose logits a knot compares, before and after

/// What is trained in each block, as far as it decides what the block keeps.
std::vector<BlockLinears> block_linears(const DecoderSpec& spec, const MemoryPlanInput& input,
                                        std::int64_t rank) {
  std::vector<BlockLinears> blocks(static_cast<std::size_t>(spec.num_hidden_layers()));
  const auto linears = linear_specs(spec);
  const bool full = input.run.method == Method::full;
  for (std::size_t index = 0; index < linears.size(); ++index) {
    const ParameterSpec& linear = linears[index];
    if (linear.block < 0) continue;
    const bool target = !full && std::ranges::find(input.targets, index) != input.targets.end();
    blocks[static_cast<std::size_t>(linear.block)].emplace(linear.role, LinearCost{.out = linear.shape[0],
                                                                                   .in = linear.shape[1],
                                                                                   .rank = target ? rank : 0,
                                                                                   .frozen_rank = 0,
                                                                                   .weight_trained = full});
  }
  return blocks;
}

/// The lowest block that a backward passes; the number of blocks if it passes none.
std::size_t lowest_trained(const DecoderSpec& spec, const MemoryPlanInput& input,
                           const std::vector<BlockLinears>& blocks) {
  const auto linears = linear_specs(spec);
  const auto below = [&](std::size_t index) { return linears[index].role == ParameterRole::project_in; };
  if (std::ranges::any_of(input.targets, below)) return 0;
  const auto trained = [](const BlockLinears& of_block) {
    return std::ranges::any_of(of_block, [](const auto& entry) { return entry.second.trained(); });
  };
  return static_cast<std::size_t>(std::ranges::find_if(blocks, trained) - blocks.begin());
}

/// Activations of the blocks: what those keep that a backward passes, what the others use one after the
/// other, and what passes in all of them.
std::int64_t plan_blocks(const DecoderSpec& spec, const MemoryPlanInput& input, std::int64_t element,
                         std::int64_t rank) {
  const auto linears = block_linears(spec, input, rank);
  const std::size_t first = lowest_trained(spec, input, linears);
  std::int64_t kept = 0;                                // for a token, by all blocks that a backward passes
  std::int64_t largest = 0;                             // of them
  std::int64_t passing = 0;                             // of a block that keeps nothing
  std::int64_t forward = 0, backward = 0, dropped = 0;  // elements that pass
  for (std::size_t index = 0; index < linears.size(); ++index) {
    const Footprint block = Block::footprint(spec.block(static_cast<std::int64_t>(index)),
                                             {spec.hidden_size, linears[index], true, input.hidden_dropout});
    passing = std::max(passing, block.passing * element + block.passing_bytes);
    forward = std::max(forward, block.forward_scratch);
    if (index < first) continue;
    const std::int64_t bytes = block.kept * element + block.kept_bytes;
    largest = std::max(largest, bytes);
    kept += (input.activation_checkpointing ? 0 : bytes) + spec.hidden_size * element;
    backward = std::max(backward, block.backward_scratch);
    for (const auto& [role, linear] : linears[index])
      if (input.lora_dropout && linear.trained()) dropped = std::max(dropped, 2 * linear.in);
  }
  forward += spec.hidden_size * (spec.position_table ? 2 : 1);  // the residual stream, positions' rows
  const bool knots = input.run.links.size() > 1;
  const std::int64_t passing_tokens =
      std::max(knots || first > 0 ? input.batch_tokens : 0, input.evaluation_tokens);
  const std::int64_t shared =
      std::max(input.activation_checkpointing ? input.batch_tokens * largest : 0, passing_tokens * passing);
  const std::int64_t forward_tokens = std::max(input.batch_tokens, input.evaluation_tokens);
  return input.batch_tokens * (kept + element * (backward + dropped)) + shared +
         forward_tokens * element * forward;
}

/// Rows of logits that are made at a time.
std::int64_t logits_rows(const DecoderSpec& spec, const MemoryPlanInput& input) {
  const auto of = [&](std::int64_t rows) {
    return ops::logits_chunk_rows(input.logits_chunk_bytes, rows, spec.vocab_size);
  };
  return std::max(of(input.batch_loss_tokens), of(input.evaluation_tokens));
}

/// The head: the rows with loss in five matrices, and a chunk of logits with its gradient.
std::int64_t plan_head(const DecoderSpec& spec, const MemoryPlanInput& input, std::int64_t element) {
  const std::int64_t rows = std::max(input.batch_loss_tokens, input.evaluation_tokens);
  const std::int64_t widths = 3 * spec.hidden_size + 2 * spec.word_embed_proj_dim;
  const std::int64_t chunk = logits_rows(spec, input);
  const bool beside = input.in_device_memory && input.compute_dtype != DType::f32;  // its gradient
  const std::int64_t logit_bytes = float_bytes + (beside ? element : 0);
  const std::int64_t compared =
      input.run.links.size() > 1 ? 2 * float_bytes * std::min(knot_rows, input.batch_loss_tokens) : 0;
  return rows * element * widths + spec.vocab_size * (chunk * logit_bytes + compared);
}

/// What products with packed weights hold beside their operands, a thread: a block of activations in tiles,
/// and, where depth is summed in chunks, the sums that wait.
std::int64_t plan_packed_products(const DecoderSpec& spec, const MemoryPlanInput& input) {
  constexpr std::int64_t block_bytes = std::int64_t{1} << 20;
  constexpr std::int64_t block_tokens = 512;
  constexpr std::int64_t most_outputs = 4096;
  constexpr std::int64_t whole_depth = 576;
  std::int64_t widest = spec.hidden_size;
  for (const BlockSpec& block : spec.block_kinds)
    widest = std::max({widest, block.attention.query_width(), block.mlp.intermediate_size});
  const std::int64_t outputs = spec.hidden_size > whole_depth ? widest : spec.hidden_size;
  const std::int64_t tokens = std::min(std::max(input.batch_tokens, input.evaluation_tokens), block_tokens);
  constexpr std::int64_t lora_bytes = 128;  // a column, or a token, of a panel of LoRA's thin products
  const std::int64_t lora = lora_bytes * std::max(input.batch_tokens, widest);
  return thread_count() * (block_bytes + lora + tokens * std::min(outputs, most_outputs) * float_bytes);
}

/// Moves the blocks' weights and their merged copies to the host; the device has two blocks' room, and rounds
/// a merged matrix, of `largest` elements at most, before it is kept.
void offload(const DecoderSpec& spec, const MemoryPlanInput& input, std::int64_t largest, MemoryPlan& plan) {
  const auto element = static_cast<std::int64_t>(size_of(input.compute_dtype));
  const StreamedBytes streamed = streamed_bytes(spec, input.compute_dtype);
  const double part =
      static_cast<double>(plan.weights) / static_cast<double>(parameter_count(spec) * element);
  const auto scaled = [&](std::int64_t bytes) {  // quantised weights: by their average
    return std::llround(part * static_cast<double>(bytes));
  };
  plan.weights += scaled(streamed.on_device) - scaled(streamed.on_host);
  plan.offloaded = scaled(streamed.on_host);
  if (plan.merged == 0) return;
  const auto linears = linear_specs(spec);
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

MemoryPlan plan_memory(const DecoderSpec& spec, const MemoryPlanInput& input) {
  const auto element = static_cast<std::int64_t>(size_of(input.compute_dtype));
  const std::int64_t parameters = parameter_count(spec);
  const std::int64_t per_trained = 2 * float_bytes + optimizer_bytes_per_parameter(input.run.optimizer);
  const bool full = input.run.method == Method::full;
  MemoryPlan plan;
  plan.weights =
      full && input.compute_dtype == DType::f32 ? 0 : input.quantized_weights.value_or(parameters * element);
  std::int64_t rank = 0;
  for (const auto& link : input.run.links) rank = std::max(rank, link.rank);
  if (full) {
    std::int64_t largest = 0;  // saved a tensor at a time, from f32; what is rounded beside the file's values
    for (const auto& spec : parameter_specs(spec)) largest = std::max(largest, spec.size());
    plan.trained = parameters * per_trained + sum_bytes(input, parameters) +
                   largest * (float_bytes + static_cast<std::int64_t>(size_of(input.saved_dtype)) +
                              (input.saved_dtype == DType::f32 ? 0 : float_bytes));
  } else {
    const auto linears = linear_names(spec);
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
    if (input.offload_base) offload(spec, input, largest, plan);
  }
  plan.activations = plan_blocks(spec, input, element, rank) + plan_head(spec, input, element);
  for (const RotarySpec& table : spec.rotary_tables)
    plan.activations += rotary_table_bytes(table, input.positions);
  if (input.packed_weights) plan.activations += plan_packed_products(spec, input);
  plan.activations += input.expansion_bytes;
  if (input.in_device_memory) {
    plan.program = device_bytes;
    return plan;
  }
  plan.program = input.resident_bytes + computing_bytes;
  if (input.compute_dtype == DType::f32) {
    plan.program += f32_products_bytes;
  } else if (!ops::prefers_packed(input.compute_dtype)) {
    plan.program += thread_count() * blocked_products_bytes;
  }
  return plan;
}

}  // namespace cola
