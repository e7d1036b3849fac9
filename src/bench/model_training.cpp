#include "bench/model_training.h"

#include <algorithm>

#include "lora/target_modules.h"
#include "model/linear_names.h"

namespace cola {
namespace {

constexpr std::uint64_t seed = 42;
constexpr double learning_rate = 1e-4;

Weights random_weights(ops::Backend& backend, const DecoderSpec& config, DType dtype,
                       const TrainedPart& part) {
  Memory* blocks = part.offload_base ? &ops::uploads_of(backend).memory() : nullptr;
  return {config, seed, dtype, backend.memory(), blocks, part.base};
}

}  // namespace

ModelTraining::ModelTraining(ops::Backend& backend, const DecoderSpec& config, DType dtype,
                             const TrainedPart& part)
    : recompute_(part.activation_checkpointing),
      context_(backend),
      model_(config, random_weights(backend, config, dtype, part)) {
  if (part.offload_base) model_.stream_weights(ops::uploads_of(backend));
  if (part.full) {
    for (const auto& parameter : model_.weights().all()) model_.weights().make_trained(*parameter);
  } else {
    if (backend.prefers_packed(dtype)) model_.pack_weights();
    chain_.emplace(model_, part.tie);
    for (std::int64_t i = 0; i < part.tied_links; ++i) {
      chain_->begin_live(fresh_link(part), true);
      chain_->tie_live(context_);
    }
    chain_->begin_live(fresh_link(part), true);
  }
  optimizer_.emplace(OptimizerOptions{}, trainables(), context_.memory());
}

double ModelTraining::step(const StepPart& part) {
  optimizer_->zero_gradients(context_);
  double loss = 0.0;
  for (const TrainingBatch& batch : part.batches) {
    StepState state{context_, batch.ragged(), true};
    state.recompute = recompute_;
    loss += forward_backward(state, model_, activations_, batch, part.loss_terms).sum;
  }
  const double norm = gradient_norm(context_, optimizer_->parameters());
  optimizer_->update(context_, learning_rate, clip_factor(norm, 1.0));
  if (!chain_) {
    for (const auto& parameter : model_.weights().all()) Weights::refresh(context_, *parameter);
  }
  context_.backend().synchronize();
  return loss / static_cast<double>(part.loss_terms.items);
}

std::int64_t ModelTraining::trained_parameters() const {
  std::int64_t count = 0;
  for (const auto& parameter : optimizer_->parameters())
    count += static_cast<std::int64_t>(parameter.value.size());
  return count;
}

Link ModelTraining::fresh_link(const TrainedPart& part) {
  const auto linears = model_.linears();
  std::vector<Linear*> targets;
  for (const std::size_t index : selected_targets(model_.spec(), part.target_modules))
    targets.push_back(linears[index]);
  Link link = make_link(targets, {part.lora_r, part.lora_alpha}, false);
  initialise_link(link, seed, 0);
  return link;
}

std::vector<TrainableParameter> ModelTraining::trainables() {
  std::vector<TrainableParameter> list;
  if (!chain_) {
    for (const auto& parameter : model_.weights().all()) {
      list.push_back({parameter->spec.name, parameter->training->master.floats(),
                      parameter->training->gradient.floats()});
    }
    return list;
  }
  for (std::size_t i = 0; i < chain_->live().modules.size(); ++i) {
    LoraModule& module = chain_->live().modules[i];
    list.push_back({module.name + ".lora_A", module.a.floats(), chain_->a_gradients()[i].floats()});
    list.push_back({module.name + ".lora_B", module.b.floats(), chain_->b_gradients()[i].floats()});
  }
  return list;
}

}  // namespace cola
