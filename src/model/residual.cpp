#include "model/residual.h"

#include "backend/elementwise.h"

namespace cola {

using ops::Write;

Residual::Residual(const BlockSpec& spec, Weights& weights, ParameterRole norm, ParameterRole output_norm,
                   std::int64_t block, std::uint64_t site)
    : placement_(spec.placement), multiplier_(spec.residual_multiplier), site_(site) {
  if (placement_ != NormPlacement::after) norm_.emplace(spec.norm, weights, norm, block);
  if (placement_ == NormPlacement::after || placement_ == NormPlacement::before_and_after)
    output_norm_.emplace(spec.norm, weights, output_norm, block);
}

bool Residual::trained() const {
  return (norm_ && norm_->trained()) || (output_norm_ && output_norm_->trained());
}

std::string Residual::overflowing_norm(Memory& memory, const ResidualActivations& kept) const {
  if (norm_ && !kept.norm.finite(memory)) return norm_->name();
  if (output_norm_ && !kept.output_norm.finite(memory)) return output_norm_->name();
  return "";
}

void Residual::drop(const StepState& step, ConstMatrixView x, MatrixView y) const {
  const auto key = dropout_key(step, RandomPurpose::hidden_dropout, site_, step.hidden_dropout);
  ops::dropout(step.context, x, key, step.batch.token_keys, y);
}

ConstMatrixView Residual::input(const StepState& step, ConstMatrixView x, ResidualActivations& kept) const {
  return has_norm_before() ? norm_->normed(step.context, x, kept.norm, "block.normed") : x;
}

ConstMatrixView Residual::output(const StepState& step, ResidualActivations& kept) const {
  return norm_->normed(step.context, kept.sum.view(), kept.norm, "block.normed");
}

/// sum [T, D] = x + multiplier * branch, which passes hidden dropout in place.
void Residual::add(const StepState& step, ConstMatrixView x, MatrixView branch, MatrixView sum) const {
  if (step.hidden_dropout > 0.0F) drop(step, branch, branch);
  ops::add(step.context, x, branch, sum, multiplier_);
}

void Residual::forward(const StepState& step, ConstMatrixView x, MatrixView y, ResidualActivations& kept,
                       const Forward& sublayer) const {
  auto& context = step.context;
  const ConstMatrixView in = input(step, x, kept);
  if (output_norm_) {
    kept.branch.resize(context.memory(), x.dtype, x.rows, x.cols);
    sublayer(in, {}, kept.branch.view());
    const MatrixView branch = context.scratch("block.branch", x.dtype, x.rows, x.cols);
    output_norm_->forward(context, kept.branch.view(), branch, kept.output_norm);
    if (!y.empty()) add(step, x, branch, y);
    return;
  }
  if (normed_sum()) kept.sum.resize(context.memory(), x.dtype, x.rows, x.cols);
  const MatrixView sum = normed_sum() ? kept.sum.view() : y;
  if (sum.empty()) {
    sublayer(in, {}, {});
  } else if (step.hidden_dropout == 0.0F && multiplier_ == 1.0F) {
    sublayer(in, x, sum);
  } else {
    const MatrixView branch = context.scratch("block.branch", x.dtype, x.rows, x.cols);
    sublayer(in, {}, branch);
    add(step, x, branch, sum);
  }
  if (!normed_sum()) return;
  if (y.empty()) {
    (void)output(step, kept);
  } else {
    norm_->forward(context, sum, y, kept.norm);
  }
}

/// The gradient of the sub-layer's output: d times the multiplier, under the dropout mask, and through the
/// norm after it.
ConstMatrixView Residual::branch_gradient(const StepState& step, ConstMatrixView d,
                                          const ResidualActivations& kept) const {
  auto& context = step.context;
  if (step.hidden_dropout > 0.0F || multiplier_ != 1.0F) {
    const MatrixView scaled = context.scratch("block.branch_gradient", d.dtype, d.rows, d.cols);
    if (multiplier_ != 1.0F) {
      ops::scale(context, d, multiplier_, scaled);
      d = scaled;
    }
    if (step.hidden_dropout > 0.0F) drop(step, d, scaled);
    d = scaled;
  }
  if (!output_norm_) return d;
  const MatrixView dbranch = context.scratch("block.dbranch", d.dtype, d.rows, d.cols);
  output_norm_->backward(context, d, kept.branch.view(), kept.output_norm, dbranch, Write::replace);
  return dbranch;
}

void Residual::backward(const StepState& step, MatrixView d, ConstMatrixView x, ResidualActivations& kept,
                        bool input_gradient, bool reads_input, const Backward& sublayer) const {
  auto& context = step.context;
  ConstMatrixView dsum = d;
  if (normed_sum()) {
    const MatrixView through_norm = context.scratch("block.dsum", d.dtype, d.rows, d.cols);
    norm_->backward(context, d, kept.sum.view(), kept.norm, through_norm, Write::replace);
    ops::convert(context, through_norm, d);
    dsum = through_norm;
  }
  const ConstMatrixView dbranch = branch_gradient(step, dsum, kept);
  if (!has_norm_before()) {
    sublayer(dbranch, x, input_gradient ? d : MatrixView{}, Write::add);
    return;
  }
  const bool through_norm = input_gradient || norm_->trained();
  const ConstMatrixView in = reads_input ? input(step, x, kept) : ConstMatrixView{};
  const MatrixView din = through_norm ? context.scratch("block.din", d.dtype, d.rows, d.cols) : MatrixView{};
  sublayer(dbranch, in, din, Write::replace);
  if (through_norm) norm_->backward(context, din, x, kept.norm, d, Write::add);
}

Footprint Residual::footprint(const BlockSpec& spec, std::int64_t width, bool dropout) {
  constexpr std::int64_t statistics_bytes = 2 * sizeof(float);
  const NormPlacement placement = spec.placement;
  const bool output_norm = placement == NormPlacement::after || placement == NormPlacement::before_and_after;
  const bool scaled = dropout || spec.residual_multiplier != 1.0F;
  const bool keeps_matrix = placement != NormPlacement::before;  // what the norm behind reads
  const std::int64_t norms = placement == NormPlacement::before_and_after ? 2 : 1;
  Footprint footprint;
  footprint.kept = footprint.passing = keeps_matrix ? width : 0;
  footprint.kept_bytes = footprint.passing_bytes = norms * statistics_bytes;
  // normed, branch; din, dsum or dbranch, branch_gradient
  footprint.forward_scratch =
      width * ((placement == NormPlacement::after ? 0 : 1) + (output_norm || scaled ? 1 : 0));
  footprint.backward_scratch = width * (1 + (keeps_matrix ? 1 : 0) + (scaled ? 1 : 0));
  return footprint;
}

}  // namespace cola
