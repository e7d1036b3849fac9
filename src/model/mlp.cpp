#include "model/mlp.h"

#include "backend/elementwise.h"
#include "backend/linear.h"

namespace cola {

using ops::Write;

Mlp::Mlp(const MlpSpec& spec, Weights& weights, std::int64_t block, std::uint64_t first_index)
    : spec_(spec),
      function_(spec.activation == Activation::gelu_tanh_gate ? ops::Gate::gelu_tanh : ops::Gate::silu) {
  using enum ParameterRole;
  if (spec.gated() && !spec.fused) gate_ = make_linear(weights, gate, block, first_index++);
  up_ = make_linear(weights, spec.fused ? gate_up : up, block, first_index++);
  down_ = make_linear(weights, down, block, first_index);
}

std::vector<Linear*> Mlp::linears() {
  std::vector<Linear*> all{&up_, &down_};
  if (gate_) all.insert(all.begin(), &*gate_);
  return all;
}

bool Mlp::trained() const { return (gate_ && gate_->trained()) || up_.trained() || down_.trained(); }

bool Mlp::needs_input() const { return (gate_ && gate_->needs_input()) || up_.needs_input(); }

MatrixView Mlp::hidden_scratch(const StepState& step, ConstMatrixView like) const {
  return step.context.scratch("block.hidden", like.dtype, like.rows, spec_.intermediate_size);
}

Mlp::Gated Mlp::gated(const StepState& step, DType dtype, std::int64_t rows, MlpActivations& kept) const {
  Memory& memory = step.context.memory();
  const std::int64_t width = spec_.intermediate_size;
  if (spec_.fused) {
    kept.gate_up.resize(memory, dtype, rows, 2 * width);
    const MatrixView both = kept.gate_up.view();
    return {both.column_range(0, width), both.column_range(width, 2 * width)};
  }
  kept.gate.resize(memory, dtype, rows, width);
  kept.up.resize(memory, dtype, rows, width);
  return {kept.gate.view(), kept.up.view()};
}

/// gate and up, which are kept, and hidden = f(gate) up unless it is empty.
void Mlp::forward_gated(const StepState& step, ConstMatrixView x, MlpActivations& kept,
                        MatrixView hidden) const {
  const auto [gate, up] = gated(step, x.dtype, x.rows, kept);
  if (spec_.fused) {
    up_.forward(step, x, {}, kept.gate_up.view(), kept.up_linear);
  } else if (!hidden.empty() && up_.branches.empty() && x.rows > ops::few_rows) {
    gate_->forward(step, x, {}, gate, kept.gate_linear);
    return ops::linear_gate_forward(step.context, function_, x, up_.weight().view(), up_.bias_view(), gate,
                                    up, hidden);
  } else {
    const std::array projections = {LinearForward{&*gate_, gate, &kept.gate_linear},
                                    LinearForward{&up_, up, &kept.up_linear}};
    forward_together(step, x, projections);
  }
  if (!hidden.empty()) ops::gate_forward(step.context, function_, gate, up, hidden);
}

void Mlp::forward(const StepState& step, ConstMatrixView x, ConstMatrixView addend, MatrixView y,
                  MlpActivations& kept) const {
  if (spec_.gated()) {
    const bool needed = !y.empty() || down_.trained();
    const MatrixView hidden = needed ? hidden_scratch(step, x) : MatrixView{};
    forward_gated(step, x, kept, hidden);
    if (needed) down_.forward(step, hidden, addend, y, kept.down_linear);
    return;
  }
  const bool keeps_hidden = step.keep && down_.needs_input();
  if (keeps_hidden) kept.hidden.resize(step.context.memory(), x.dtype, x.rows, spec_.intermediate_size);
  const MatrixView hidden = keeps_hidden ? kept.hidden.view() : hidden_scratch(step, x);
  kept.positive.resize(
      step.context.memory(),
      step.keep ? static_cast<std::size_t>(ops::relu_mask_bytes(hidden.rows, hidden.cols)) : std::size_t{0});
  up_.forward_relu(step, x, hidden, kept.positive.as<std::uint8_t>(), kept.up_linear);
  down_.forward(step, hidden, addend, y, kept.down_linear);
}

void Mlp::backward(const StepState& step, ConstMatrixView dy, ConstMatrixView x, MlpActivations& kept,
                   MatrixView dx, Write write) const {
  if (!spec_.gated()) {
    const MatrixView dhidden = hidden_scratch(step, dy);
    down_.backward_relu(step, dy, kept.hidden.view(), kept.down_linear, kept.positive.as<std::uint8_t>(),
                        dhidden);
    return up_.backward(step, dhidden, x, kept.up_linear, dx, write);
  }
  const auto [gate, up] = gated(step, dy.dtype, dy.rows, kept);
  const bool needed = down_.needs_input();
  const MatrixView hidden = needed ? hidden_scratch(step, dy) : MatrixView{};
  if (needed) ops::gate_forward(step.context, function_, gate, up, hidden);
  const MatrixView dhidden = step.context.scratch(needed ? "block.dhidden" : "block.hidden", dy.dtype,
                                                  dy.rows, spec_.intermediate_size);
  // In place: gate and up are not needed after.
  down_.backward_gate(step, function_, dy, hidden, kept.down_linear, {gate, up, dhidden, gate, up});
  if (spec_.fused) return up_.backward(step, kept.gate_up.view(), x, kept.up_linear, dx, write);
  const std::array projections = {LinearBackward{&*gate_, gate, &kept.gate_linear},
                                  LinearBackward{&up_, up, &kept.up_linear}};
  backward_together(step, x, projections, dx, write);
}

Footprint Mlp::footprint(const MlpSpec& spec, const BlockLinears& linears) {
  Footprint footprint;
  using enum ParameterRole;
  for (const ParameterRole role : {gate, up, gate_up, down}) {
    const auto found = linears.find(role);
    if (found == linears.end()) continue;
    footprint.forward_flops += found->second.forward_flops();
    footprint.backward_flops += found->second.backward_flops(true);
  }
  const LinearCost& last = linears.at(down);
  const std::int64_t width = spec.intermediate_size;
  footprint.forward_scratch = width;
  if (spec.gated()) {
    footprint.kept = footprint.passing = 2 * width;
    if (last.trained()) footprint.backward_scratch = width;  // hidden, made again beside its gradient
  } else {
    if (last.trained()) footprint.kept = width;
    footprint.kept_bytes = ops::relu_mask_bytes(1, width);
  }
  // Only what the last layer's adapter keeps: x A^T.
  footprint.not_recomputed_flops = last.forward_flops() - 2.0 * static_cast<double>(last.rank * last.in);
  return footprint;
}

}  // namespace cola
