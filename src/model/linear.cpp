#include "model/linear.h"

#include <algorithm>
#include <string>
#include <vector>

#include "backend/linear.h"
#include "backend/lora.h"

namespace cola {

ops::DropoutKey dropout_key(const StepState& step, RandomPurpose purpose, std::uint64_t site,
                            float probability) {
  return {step.dropout_seed, (static_cast<std::uint64_t>(purpose) << 32) | site, probability};
}

Linear make_linear(Weights& weights, ParameterRole role, std::int64_t block, std::uint64_t index) {
  Parameter& weight = weights.at(role, block);
  return {weight.spec.module(), index, weight, weights.find(role, block, true)};
}

const LowRankBranch* Linear::live_branch() const {
  const auto found = std::ranges::find_if(branches, &LowRankBranch::live);
  return found == branches.end() ? nullptr : &*found;
}

bool Linear::needs_input() const {
  const LowRankBranch* live = live_branch();
  return weight_.parameter().trained() || (live != nullptr && live->a_gradient != nullptr);
}

bool Linear::trained() const {
  return weight_.parameter().trained() || live_branch() != nullptr || (bias_ != nullptr && bias_->trained());
}

void Linear::drop_branch(const StepState& step, ConstMatrixView x, MatrixView y) const {
  ops::dropout(step.context, x, dropout_key(step, RandomPurpose::lora_dropout, index_, step.lora_dropout),
               step.batch.token_keys, y);
}

ConstMatrixView Linear::branch_input(const StepState& step, const LowRankBranch& branch,
                                     ConstMatrixView x) const {
  if (!branch.live || step.lora_dropout == 0.0F || x.empty()) return x;
  const MatrixView dropped = step.context.scratch("linear.dropped_input", x.dtype, x.rows, x.cols);
  drop_branch(step, x, dropped);
  return dropped;
}

void Linear::forward(const StepState& step, ConstMatrixView x, ConstMatrixView addend, MatrixView y,
                     LinearActivations& kept) const {
  const LinearForward part = {this, y, &kept, addend};
  forward_together(step, x, {&part, 1});
}

void Linear::forward_relu(const StepState& step, ConstMatrixView x, MatrixView y,
                          std::span<std::uint8_t> positive, LinearActivations& kept) const {
  if (branches.empty())
    return ops::linear_relu_forward(step.context, x, weight_.view(), bias_view(), y, positive);
  forward(step, x, {}, y, kept);
  ops::relu_forward(step.context, y, positive);
}

void Linear::backward_relu(const StepState& step, ConstMatrixView dy, ConstMatrixView x,
                           LinearActivations& kept, std::span<const std::uint8_t> positive,
                           MatrixView dx) const {
  if (branches.empty()) {
    ops::linear_relu_backward(step.context, dy, weight_.view(), positive, dx);
    return backward(step, dy, x, kept, {}, ops::Write::replace);
  }
  backward(step, dy, x, kept, dx, ops::Write::replace);
  ops::relu_backward(step.context, dx, positive, dx);
}

void Linear::backward_gate(const StepState& step, ops::Gate function, ConstMatrixView dy, ConstMatrixView x,
                           LinearActivations& kept, const GatedGradient& gradient) const {
  const auto& [gate, up, dhidden, dgate, dup] = gradient;
  if (branches.empty()) {
    ops::linear_gate_backward(step.context, function, dy, weight_.view(), gate, up, dhidden, dgate, dup);
    return backward(step, dy, x, kept, {}, ops::Write::replace);
  }
  backward(step, dy, x, kept, dhidden, ops::Write::replace);
  ops::gate_backward(step.context, function, dhidden, gate, up, dgate, dup);
}

void Linear::backward(const StepState& step, ConstMatrixView dy, ConstMatrixView x, LinearActivations& kept,
                      MatrixView dx, ops::Write write) const {
  const LinearBackward part = {this, dy, &kept};
  backward_together(step, x, {&part, 1}, dx, write);
}

void forward_together(const StepState& step, ConstMatrixView x, std::span<const LinearForward> parts) {
  auto& context = step.context;
  std::vector<ops::LinearProduct> products;
  for (const auto& [layer, y, kept, addend] : parts) {
    if (!y.empty()) products.push_back({layer->weight().view(), layer->bias_view(), addend, y});
  }
  if (!products.empty()) ops::linear_forward_together(context, x, products);
  std::vector<ops::LoraForward> branches;  // whose input is x itself
  for (const auto& [layer, y, kept, addend] : parts) {
    for (const LowRankBranch& branch : layer->branches) {
      const std::int64_t rank = branch.a->rows();
      MatrixView u;
      if (branch.live) {
        kept->low_rank.resize(context.memory(), DType::f32, x.rows, rank);
        u = kept->low_rank.view();
      } else if (y.empty()) {
        continue;
      } else {
        u = context.scratch("linear.u " + std::to_string(branches.size()), DType::f32, x.rows, rank);
      }
      const ops::LoraForward part = {branch.a->view(), branch.b->view(), branch.scale, u, y};
      const ConstMatrixView input = layer->branch_input(step, branch, x);
      if (input.data == x.data) {
        branches.push_back(part);
      } else {
        ops::lora_forward(context, input, {&part, 1});
      }
    }
  }
  if (!branches.empty()) ops::lora_forward(context, x, branches);
}

void backward_a_together(const StepState& step, ConstMatrixView x, std::span<const BranchGradient> parts,
                         MatrixView dx) {
  auto& context = step.context;
  std::vector<ops::LoraBackwardA> branches;  // whose input is x itself
  for (const auto& [layer, branch, du] : parts) {
    const bool da = branch->live && branch->a_gradient != nullptr;
    const ops::LoraBackwardA part = {du, branch->a->view(), da ? branch->a_gradient->view() : MatrixView{}};
    if (!branch->live || step.lora_dropout == 0.0F) {
      branches.push_back(part);
      continue;
    }
    const ConstMatrixView input = da ? layer->branch_input(step, *branch, x) : ConstMatrixView{};
    if (dx.empty()) {
      ops::lora_backward_a(context, input, {&part, 1}, {});
      continue;
    }
    // The branch's share of dx passes the same mask as its input did.
    const MatrixView share = context.scratch("linear.dropped_gradient", dx.dtype, dx.rows, dx.cols);
    ops::fill_zero(context, share);
    ops::lora_backward_a(context, input, {&part, 1}, share);
    layer->drop_branch(step, share, share);
    ops::add(context, dx, share, dx);
  }
  if (!branches.empty()) ops::lora_backward_a(context, x, branches, dx);
}

void backward_together(const StepState& step, ConstMatrixView x, std::span<const LinearBackward> parts,
                       MatrixView dx, ops::Write write) {
  auto& context = step.context;
  std::vector<ops::LoraBackwardB> of_b;
  std::vector<BranchGradient> of_a;
  for (const auto& [layer, dy, kept] : parts) {
    Parameter& weight = layer->weight().parameter();
    if (!dx.empty()) ops::linear_backward_input(context, dy, layer->weight().view(), dx, write);
    write = ops::Write::add;
    if (weight.trained()) ops::linear_backward_weight(context, dy, x, weight.gradient());
    if (layer->bias() != nullptr && layer->bias()->trained())
      ops::linear_backward_bias(context, dy, layer->bias()->training->gradient.floats());
    for (const LowRankBranch& branch : layer->branches) {
      if (!branch.live && dx.empty()) continue;
      const MatrixView du =
          context.scratch("linear.du " + std::to_string(of_a.size()), DType::f32, dy.rows, branch.a->rows());
      of_b.push_back({dy, branch.live ? kept->low_rank.view() : MatrixView{}, branch.b->view(), branch.scale,
                      du, branch.live ? branch.b_gradient->view() : MatrixView{}});
      of_a.push_back({layer, &branch, du});
    }
  }
  if (of_b.empty()) return;
  ops::lora_backward_b(context, of_b);
  backward_a_together(step, x, of_a, dx);
}

}  // namespace cola
