#include "train/step_flops.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/attention_pairs.h"
#include "core/error.h"
#include "lora/target_modules.h"
#include "model/block.h"
#include "model/linear_names.h"
#include "model/parameter_spec.h"

namespace cola {
namespace {

/// The linear layers that may be targets, as linear_specs() has them, with what the link makes of each.
std::vector<LinearCost> linear_costs(const DecoderSpec& spec, const LinkInTraining& link) {
  const auto names = linear_names(spec);
  std::vector<LinearCost> linears;
  for (const auto& name : names)
    linears.push_back({.out = name.out_features, .in = name.in_features, .rank = 0, .frozen_rank = 0});
  for (const std::size_t index : select_target_modules(names, link.target_modules)) {
    const auto& name = names[index];
    if (link.rank < 1 || link.rank > std::min(name.out_features, name.in_features)) {
      throw UsageError(fmt::format("rank {} is out of range for {} [{}, {}]: use 1 to {}", link.rank,
                                   name.name, name.out_features, name.in_features,
                                   std::min(name.out_features, name.in_features)));
    }
    linears[index].rank = link.rank;
    linears[index].frozen_rank = link.stacked_rank;
  }
  return linears;
}

/// The model's linear layers by their place.
struct CountedModel {
  std::vector<BlockLinears> blocks;
  BlockLinears around;  ///< project_in, project_out, head

  [[nodiscard]] const LinearCost* find(ParameterRole role) const {
    const auto found = around.find(role);
    return found == around.end() ? nullptr : &found->second;
  }
};

CountedModel counted_model(const DecoderSpec& spec, const LinkInTraining& link) {
  CountedModel model;
  model.blocks.resize(static_cast<std::size_t>(spec.num_hidden_layers()));
  const auto specs = linear_specs(spec);
  const auto costs = linear_costs(spec, link);
  for (std::size_t i = 0; i < specs.size(); ++i) {
    auto& place = specs[i].block < 0 ? model.around : model.blocks[static_cast<std::size_t>(specs[i].block)];
    place.emplace(specs[i].role, costs[i]);
  }
  return model;
}

bool any_trained(const BlockLinears& linears) {
  return std::ranges::any_of(linears, [](const auto& entry) { return entry.second.trained(); });
}

}  // namespace

BatchSize& BatchSize::operator+=(const BatchSize& other) {
  tokens += other.tokens;
  loss_rows += other.loss_rows;
  pairs.resize(std::max(pairs.size(), other.pairs.size()));
  for (std::size_t i = 0; i < other.pairs.size(); ++i) pairs[i] += other.pairs[i];
  return *this;
}

BatchSize size_of(const RaggedBatch& batch, std::span<const std::int64_t> windows) {
  BatchSize size{batch.tokens(), batch.loss_tokens(), {}};
  for (const std::int64_t window : windows)
    size.pairs.push_back(ops::attention_pairs(batch.offsets, batch.prefixes, window));
  return size;
}

double StepFlops::of(const BatchSize& size) const {
  double flops =
      per_token * static_cast<double>(size.tokens) + per_loss_row * static_cast<double>(size.loss_rows);
  for (std::size_t i = 0; i < per_pair.size(); ++i) flops += per_pair[i] * static_cast<double>(size.pairs[i]);
  return flops;
}

StepFlops step_flops(const DecoderSpec& spec, const LinkInTraining& link, std::int64_t forward_heads,
                     bool recompute) {
  const CountedModel model = counted_model(spec, link);
  const LinearCost* project_in = model.find(ParameterRole::project_in);
  const bool below = project_in != nullptr && project_in->trained();
  const std::int64_t blocks = spec.num_hidden_layers();
  const auto lowest = below ? 0 : std::ranges::find_if(model.blocks, any_trained) - model.blocks.begin();
  const std::vector<std::int64_t> windows = spec.windows();
  StepFlops flops;
  flops.per_pair.resize(windows.size());
  for (std::int64_t index = 0; index < blocks; ++index) {
    const auto window = std::ranges::find(windows, spec.block(index).attention.window) - windows.begin();
    double& per_pair = flops.per_pair[static_cast<std::size_t>(window)];
    const bool input_gradient = below || index != lowest;
    const Footprint block = Block::footprint(
        spec.block(index),
        {spec.hidden_size, model.blocks[static_cast<std::size_t>(index)], input_gradient, false});
    flops.per_token += block.forward_flops;
    per_pair += block.forward_pair_flops;
    if (index < lowest) continue;
    flops.per_token += block.backward_flops;
    per_pair += block.backward_pair_flops;
    if (!recompute || index + 1 == blocks) continue;
    flops.per_token += block.forward_flops - block.not_recomputed_flops;
    per_pair += block.forward_pair_flops;
  }
  if (project_in != nullptr) flops.per_token += project_in->forward_flops();
  if (below) flops.per_token += project_in->backward_flops(false);
  for (const ParameterRole role : {ParameterRole::project_out, ParameterRole::head}) {
    const LinearCost* linear = model.find(role);
    if (linear == nullptr) continue;
    flops.per_loss_row +=
        static_cast<double>(forward_heads) * linear->forward_flops() + linear->backward_flops(true);
  }
  return flops;
}

std::int64_t link_parameters(const DecoderSpec& spec, const LinkInTraining& link) {
  std::int64_t count = 0;
  for (const auto& linear : linear_costs(spec, link)) count += linear.rank * (linear.out + linear.in);
  return count;
}

}  // namespace cola
