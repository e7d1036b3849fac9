#include "train/step_flops.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/attention_pairs.h"
#include "core/error.h"
#include "lora/target_modules.h"
#include "model/linear_names.h"

namespace cola {
namespace {

/// A linear layer [out, in] with its branches; ranks are 0 where it is not a target.
struct CountedLinear {
  double out = 0.0, in = 0.0, rank = 0.0, stacked_rank = 0.0;

  [[nodiscard]] bool trained() const { return rank > 0.0; }
  [[nodiscard]] double forward() const { return 2.0 * (out * in + (rank + stacked_rank) * (out + in)); }
  /// Of the frozen weight only dx. Of the live branch du and dB [out, r], dA [r, in]; dx once more.
  [[nodiscard]] double backward(bool input_gradient) const {
    const double own = 2.0 * rank * (2.0 * out + in);
    return input_gradient ? own + 2.0 * (out * in + stacked_rank * (out + in) + rank * in) : own;
  }
};

std::vector<CountedLinear> counted_linears(const ModelConfig& config, const LinkInTraining& link) {
  const auto names = linear_names(config);
  std::vector<CountedLinear> linears;
  for (const auto& name : names) {
    linears.push_back({static_cast<double>(name.out_features), static_cast<double>(name.in_features)});
  }
  for (const std::size_t index : select_target_modules(names, link.target_modules)) {
    const auto& name = names[index];
    if (link.rank < 1 || link.rank > std::min(name.out_features, name.in_features)) {
      throw UsageError(fmt::format("rank {} is out of range for {} [{}, {}]: use 1 to {}", link.rank,
                                   name.name, name.out_features, name.in_features,
                                   std::min(name.out_features, name.in_features)));
    }
    linears[index].rank = static_cast<double>(link.rank);
    linears[index].stacked_rank = static_cast<double>(link.stacked_rank);
  }
  return linears;
}

struct CountedBlock {
  std::vector<CountedLinear> inner, mlp;  ///< q, k, v; all behind attention
  CountedLinear out;

  [[nodiscard]] bool inner_trained() const { return std::ranges::any_of(inner, &CountedLinear::trained); }
  [[nodiscard]] bool trained() const {
    return inner_trained() || out.trained() || std::ranges::any_of(mlp, &CountedLinear::trained);
  }
};

/// The model as its forward pass has it.
struct CountedModel {
  std::vector<CountedLinear> project_in, project_out;  ///< one or none
  std::vector<CountedBlock> blocks;
  CountedLinear head;
};

CountedModel counted_model(const ModelConfig& config, const LinkInTraining& link) {
  CountedModel model;
  model.blocks.resize(static_cast<std::size_t>(config.num_hidden_layers));
  const auto specs = linear_specs(config);
  const auto linears = counted_linears(config, link);
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const auto block = static_cast<std::size_t>(specs[i].block);  // where it has one
    switch (specs[i].role) {
      case ParameterRole::project_in:
        model.project_in.push_back(linears[i]);
        break;
      case ParameterRole::project_out:
        model.project_out.push_back(linears[i]);
        break;
      case ParameterRole::head:
        model.head = linears[i];
        break;
      case ParameterRole::query:
      case ParameterRole::key:
      case ParameterRole::value:
      case ParameterRole::query_key_value:
        model.blocks[block].inner.push_back(linears[i]);
        break;
      case ParameterRole::attention_output:
        model.blocks[block].out = linears[i];
        break;
      default:
        model.blocks[block].mlp.push_back(linears[i]);
    }
  }
  return model;
}

void add_forward(const CountedBlock& block, double attention_width, StepFlops& flops) {
  for (const auto* list : {&block.inner, &block.mlp}) {
    for (const auto& linear : *list) flops.per_token += linear.forward();
  }
  flops.per_token += block.out.forward();
  flops.per_pair += 4.0 * attention_width;  // scores, and their sum of values
}

/// As Block::recompute: of the last layer only what its live branch keeps, where no norm comes behind it.
void add_recompute(const CountedBlock& block, bool post_norm, double attention_width, StepFlops& flops) {
  add_forward(block, attention_width, flops);
  const CountedLinear& last = block.mlp.back();
  if (!post_norm) flops.per_token += 2.0 * last.rank * last.in - last.forward();
}

/// As Block::backward: the MLP's gradients always, attention's where it or something below it is trained.
void add_backward(const CountedBlock& block, bool input_gradient, double attention_width, StepFlops& flops) {
  for (const auto& linear : block.mlp) flops.per_token += linear.backward(true);
  const bool inner = input_gradient || block.inner_trained();
  if (inner || block.out.trained()) flops.per_token += block.out.backward(inner);
  if (!inner) return;
  flops.per_pair += 10.0 * attention_width;  // scores again, dP, dQ, dK, dV
  for (const auto& linear : block.inner) flops.per_token += linear.backward(input_gradient);
}

}  // namespace

BatchSize& BatchSize::operator+=(const BatchSize& other) {
  tokens += other.tokens;
  loss_rows += other.loss_rows;
  pairs += other.pairs;
  return *this;
}

BatchSize size_of(const RaggedBatch& batch) {
  return {batch.tokens(), batch.loss_tokens(), ops::attention_pairs(batch.offsets, batch.prefixes, 0)};
}

double StepFlops::of(const BatchSize& size) const {
  return per_token * static_cast<double>(size.tokens) + per_pair * static_cast<double>(size.pairs) +
         per_loss_row * static_cast<double>(size.loss_rows);
}

StepFlops step_flops(const ModelConfig& config, const LinkInTraining& link, std::int64_t forward_heads,
                     bool recompute) {
  const CountedModel model = counted_model(config, link);
  const auto attention_width = static_cast<double>(config.num_attention_heads * config.head_dim);
  StepFlops flops;
  for (const auto& linear : model.project_in) flops.per_token += linear.forward();
  for (const auto& block : model.blocks) add_forward(block, attention_width, flops);

  const auto heads = static_cast<double>(forward_heads);
  flops.per_loss_row = heads * model.head.forward() + model.head.backward(true);
  for (const auto& linear : model.project_out)
    flops.per_loss_row += heads * linear.forward() + linear.backward(true);

  const bool below = std::ranges::any_of(model.project_in, &CountedLinear::trained);
  const auto lowest =
      below ? model.blocks.begin() : std::ranges::find_if(model.blocks, &CountedBlock::trained);
  for (auto block = lowest; block != model.blocks.end(); ++block) {
    if (recompute && block + 1 != model.blocks.end())
      add_recompute(*block, !config.do_layer_norm_before, attention_width, flops);
    add_backward(*block, below || block != lowest, attention_width, flops);
  }
  if (below) {
    for (const auto& linear : model.project_in) flops.per_token += linear.backward(false);
  }
  return flops;
}

std::int64_t link_parameters(const ModelConfig& config, const LinkInTraining& link) {
  double count = 0.0;
  for (const auto& linear : counted_linears(config, link)) count += linear.rank * (linear.out + linear.in);
  return static_cast<std::int64_t>(count);
}

}  // namespace cola
