#include "model/linear.h"

#include <algorithm>

#include "backend/linear.h"
#include "backend/lora.h"
#include "model/weight_stream.h"

namespace cola {

ops::DropoutKey dropout_key(const StepState& step, RandomPurpose purpose, std::uint64_t site,
                            float probability) {
  return {step.dropout_seed, (static_cast<std::uint64_t>(purpose) << 32) | site, probability};
}

const LowRankBranch* Linear::live_branch() const {
  const auto found = std::ranges::find_if(branches, &LowRankBranch::live);
  return found == branches.end() ? nullptr : &*found;
}

bool Linear::needs_input() const {
  const LowRankBranch* live = live_branch();
  return weight_->trained() || (live != nullptr && live->a_gradient != nullptr);
}

bool Linear::trained() const {
  return weight_->trained() || live_branch() != nullptr || (bias_ != nullptr && bias_->trained());
}

ConstMatrixView Linear::dropped_input(const StepState& step, ConstMatrixView x) const {
  if (step.lora_dropout == 0.0F || x.empty()) return x;
  const MatrixView dropped = step.context.scratch("linear.dropped_input", x.dtype, x.rows, x.cols);
  ops::dropout(step.context, x, dropout_key(step, RandomPurpose::lora_dropout, index_, step.lora_dropout),
               step.batch.token_keys, dropped);
  return dropped;
}

void Linear::use_merged(ops::Context& context, ConstMatrixView sum) {
  if (!weight_->packed.empty()) {
    merged_packed = ops::PackedMatrix(sum);
    return;
  }
  if (stream_ != nullptr) stream_->forget();
  merged.resize(*weight_->memory, weight_->value.dtype, sum.rows, sum.cols);
  if (stream_ == nullptr) return ops::convert(context, sum, merged.view());
  Matrix rounded;  // by the device, as without a stream
  if (sum.dtype != merged.dtype()) {
    rounded.resize(context.memory(), merged.dtype(), sum.rows, sum.cols);
    ops::convert(context, sum, rounded.view());
    sum = rounded.view();
  }
  context.memory().download(static_cast<const std::byte*>(sum.data),
                            static_cast<std::byte*>(merged.view().data),
                            static_cast<std::size_t>(merged.size()) * size_of(merged.dtype()));
}

void Linear::use_original() {
  if (stream_ != nullptr && !merged.empty()) stream_->forget();
  merged.release();
  merged_packed = {};
}

void Linear::forward(const StepState& step, ConstMatrixView x, MatrixView y, LinearActivations& kept) const {
  const auto bias = bias_ != nullptr ? bias_->vector() : std::span<const float>();
  if (!y.empty()) ops::linear_forward(step.context, x, effective_weight(), bias, y);
  for (const auto& branch : branches) {
    if (y.empty() && !branch.live) continue;
    kept.low_rank.resize(step.context.memory(), DType::f32, x.rows,
                         branch.a->rows());  // the live branch is the last
    ops::lora_forward(step.context, branch_input(step, branch, x), branch.a->view(), branch.b->view(),
                      branch.scale, kept.low_rank.view(), y);
  }
}

void Linear::backward_a(const StepState& step, const LowRankBranch& branch, ConstMatrixView du,
                        ConstMatrixView x, MatrixView dx) const {
  auto& context = step.context;
  if (!branch.live) {
    ops::lora_backward_a(context, du, {}, branch.a->view(), {}, dx);
    return;
  }
  const MatrixView da = branch.a_gradient != nullptr ? branch.a_gradient->view() : MatrixView{};
  if (step.lora_dropout == 0.0F || dx.empty()) {
    ops::lora_backward_a(context, du, da.empty() ? x : dropped_input(step, x), branch.a->view(), da, dx);
    return;
  }
  // The branch's share of dx passes the same mask as its input did.
  const MatrixView share = context.scratch("linear.dropped_gradient", dx.dtype, dx.rows, dx.cols);
  ops::fill_zero(context, share);
  ops::lora_backward_a(context, du, da.empty() ? x : dropped_input(step, x), branch.a->view(), da, share);
  ops::dropout(context, share, dropout_key(step, RandomPurpose::lora_dropout, index_, step.lora_dropout),
               step.batch.token_keys, share);
  ops::add(context, dx, share, dx);
}

void Linear::backward(const StepState& step, ConstMatrixView dy, ConstMatrixView x, LinearActivations& kept,
                      MatrixView dx, ops::Write write) const {
  auto& context = step.context;
  if (!dx.empty()) ops::linear_backward_input(context, dy, effective_weight(), dx, write);
  if (weight_->trained()) ops::linear_backward_weight(context, dy, x, weight_->gradient.view());
  if (bias_ != nullptr && bias_->trained()) ops::linear_backward_bias(context, dy, bias_->gradient.floats());
  for (const auto& branch : branches) {
    if (!branch.live && dx.empty()) continue;
    const MatrixView du = context.scratch("linear.du", DType::f32, dy.rows, branch.a->rows());
    ops::lora_backward_b(context, dy, branch.live ? kept.low_rank.view() : MatrixView{}, branch.b->view(),
                         branch.scale, du, branch.live ? branch.b_gradient->view() : MatrixView{});
    backward_a(step, branch, du, x, dx);
  }
}

}  // namespace cola
