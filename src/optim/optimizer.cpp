#include "optim/optimizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"

namespace cola {
namespace {

constexpr double adagrad_epsilon = 1e-10;  // torch.optim.Adagrad's default

bool has_first_state(const OptimizerOptions& options) {
  return options.kind != OptimizerKind::sgd || options.momentum != 0.0;
}

std::string_view first_state_name(OptimizerKind kind) {
  switch (kind) {
    case OptimizerKind::adamw:
      return "adamw.m";
    case OptimizerKind::sgd:
      return "sgd.momentum";
    case OptimizerKind::adagrad:
      return "adagrad.sum";
  }
  return "unknown";
}

/// Throws UsageError for settings that no update is defined for (NaN fails every comparison).
void check(const OptimizerOptions& options) {
  if (!(options.weight_decay >= 0.0)) {
    throw UsageError(fmt::format("--weight-decay {} is not a number from 0", options.weight_decay));
  }
  if (!(options.momentum >= 0.0 && options.momentum < 1.0)) {
    throw UsageError(fmt::format("--momentum {} is not in [0, 1)", options.momentum));
  }
  if (!(options.beta1 >= 0.0 && options.beta1 < 1.0 && options.beta2 >= 0.0 && options.beta2 < 1.0)) {
    throw UsageError(fmt::format("AdamW's betas {} and {} are not in [0, 1)", options.beta1, options.beta2));
  }
  if (!(options.epsilon >= 0.0))
    throw UsageError(fmt::format("AdamW's epsilon {} is negative", options.epsilon));
}

}  // namespace

OptimizerKind parse_optimizer(std::string_view name) {
  if (name == "adamw") return OptimizerKind::adamw;
  if (name == "sgd") return OptimizerKind::sgd;
  if (name == "adagrad") return OptimizerKind::adagrad;
  throw UsageError(fmt::format("unknown optimizer '{}': use adamw, sgd or adagrad", name));
}

std::string_view name_of(OptimizerKind kind) {
  switch (kind) {
    case OptimizerKind::adamw:
      return "adamw";
    case OptimizerKind::sgd:
      return "sgd";
    case OptimizerKind::adagrad:
      return "adagrad";
  }
  return "unknown";
}

Optimizer::Optimizer(const OptimizerOptions& options, std::vector<TrainableParameter> parameters,
                     Memory& memory)
    : options_(options),
      parameters_(std::move(parameters)),
      memory_(&memory),
      first_(parameters_.size()),
      second_(parameters_.size()) {
  check(options_);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const TrainableParameter& parameter = parameters_[i];
    if (parameter.value.size() != parameter.gradient.size()) {
      throw Error(fmt::format("{}: {} values but {} gradients", parameter.name, parameter.value.size(),
                              parameter.gradient.size()));
    }
    const std::int64_t size = std::ssize(parameter.value);
    if (has_first_state(options_)) first_[i] = Matrix(DType::f32, 1, size, memory);
    if (options_.kind == OptimizerKind::adamw) second_[i] = Matrix(DType::f32, 1, size, memory);
  }
}

void Optimizer::zero_gradients(ops::Context& context) const {
  std::vector<std::span<float>> gradients;
  for (const TrainableParameter& parameter : parameters_) gradients.push_back(parameter.gradient);
  ops::zero_arrays(context, gradients);
}

void Optimizer::update(ops::Context& context, double learning_rate, float gradient_scale) {
  ++steps_done_;
  std::vector<ops::UpdatedTensor> decayed;
  std::vector<ops::UpdatedTensor> others;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const TrainableParameter& parameter = parameters_[i];
    const bool decays = parameter.decays || options_.weight_decay == 0.0;  // without decay all in one go
    (decays ? decayed : others)
        .push_back({parameter.gradient, parameter.value, first_[i].floats(), second_[i].floats(),
                    parameter.learning_rate_factor});
  }
  update(context, learning_rate, gradient_scale, options_.weight_decay, decayed);
  if (!others.empty()) update(context, learning_rate, gradient_scale, 0.0, others);
}

void Optimizer::update(ops::Context& context, double learning_rate, float gradient_scale, double weight_decay,
                       std::span<const ops::UpdatedTensor> tensors) const {
  switch (options_.kind) {
    case OptimizerKind::adamw:
      ops::adamw_update(
          context,
          {learning_rate, options_.beta1, options_.beta2, options_.epsilon, weight_decay, steps_done_},
          gradient_scale, tensors);
      break;
    case OptimizerKind::sgd:
      ops::sgd_update(context, {learning_rate, options_.momentum, weight_decay, steps_done_}, gradient_scale,
                      tensors);
      break;
    case OptimizerKind::adagrad:
      ops::adagrad_update(context, {learning_rate, adagrad_epsilon, weight_decay}, gradient_scale, tensors);
      break;
  }
}

bool Optimizer::is_fresh() const {
  const auto all_zero = [](const Matrix& state) {
    const FloatsOnHost host(state.memory(), state.floats());
    return std::ranges::all_of(host.values(), [](float value) { return value == 0.0F; });
  };
  return steps_done_ == 0 && std::all_of(first_.begin(), first_.end(), all_zero) &&
         std::all_of(second_.begin(), second_.end(), all_zero);
}

std::vector<Optimizer::NamedState> Optimizer::state() {
  std::vector<NamedState> states;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const std::string& name = parameters_[i].name;
    if (has_first_state(options_))
      states.push_back({fmt::format("{}.{}", first_state_name(options_.kind), name), first_[i].floats()});
    if (options_.kind == OptimizerKind::adamw)
      states.push_back({fmt::format("adamw.v.{}", name), second_[i].floats()});
  }
  return states;
}

std::int64_t optimizer_bytes_per_parameter(const OptimizerOptions& options) {
  const int arrays = int{has_first_state(options)} + int{options.kind == OptimizerKind::adamw};
  return arrays * static_cast<std::int64_t>(sizeof(float));
}

double gradient_norm(ops::Context& context, std::span<const TrainableParameter> parameters) {
  std::vector<std::span<const float>> gradients;
  for (const TrainableParameter& parameter : parameters) gradients.emplace_back(parameter.gradient);
  return std::sqrt(ops::squared_norm(context, gradients));
}

float clip_factor(double norm, double max_norm) {
  if (max_norm == 0.0) return 1.0F;
  return static_cast<float>(std::min(1.0, max_norm / (norm + 1e-6)));
}

}  // namespace cola
