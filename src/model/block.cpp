#include "model/block.h"

namespace cola {
namespace {

std::uint64_t site_of(std::int64_t block) { return 2 * static_cast<std::uint64_t>(block); }

/// Number of a block's first linear layer in the model.
std::uint64_t first_linear(const BlockSpec& spec, std::int64_t block) {
  const std::int64_t attention = spec.attention.fused ? 2 : 4;
  const std::int64_t mlp = spec.mlp.gated() && !spec.mlp.fused ? 3 : 2;
  return static_cast<std::uint64_t>(block * (attention + mlp));
}

std::uint64_t first_mlp_linear(const BlockSpec& spec, std::int64_t block) {
  return first_linear(spec, block) + (spec.attention.fused ? 2 : 4);
}

}  // namespace

Block::Block(const DecoderSpec& spec, Weights& weights, std::int64_t index,
             std::span<const RotaryTable> tables)
    : attention_residual_(spec.block(index), weights, ParameterRole::attention_norm,
                          ParameterRole::attention_output_norm, index, site_of(index)),
      mlp_residual_(spec.block(index), weights, ParameterRole::mlp_norm, ParameterRole::mlp_output_norm,
                    index, site_of(index) + 1),
      attention_(spec.block(index), weights, index, first_linear(spec.block(index), index), tables),
      mlp_(spec.block(index).mlp, weights, index, first_mlp_linear(spec.block(index), index)) {}

std::vector<Linear*> Block::linears() {
  auto all = attention_.linears();
  const auto of_mlp = mlp_.linears();
  all.insert(all.end(), of_mlp.begin(), of_mlp.end());
  return all;
}

bool Block::trained() const { return attention_part_trained() || mlp_.trained() || mlp_residual_.trained(); }

std::string Block::overflowing_norm(Memory& memory, const BlockActivations& kept) const {
  std::string name = attention_residual_.overflowing_norm(memory, kept.attention_residual);
  if (name.empty()) name = attention_.overflowing_norm(memory, kept.attention);
  return name.empty() ? mlp_residual_.overflowing_norm(memory, kept.mlp_residual) : name;
}

/// Where the residual stream after attention goes: kept, or the output's buffer; scratch with norms after the
/// sums, which make it again from what they read.
MatrixView Block::middle_for(const StepState& step, ConstMatrixView input, MatrixView out,
                             BlockActivations& kept) const {
  if (attention_residual_.normed_sum())
    return step.context.scratch("block.normed", input.dtype, input.rows, input.cols);
  if (!step.keep) return out;
  kept.middle.resize(step.context.memory(), input.dtype, input.rows, input.cols);
  return kept.middle.view();
}

void Block::forward(const StepState& step, ConstMatrixView input, MatrixView out, BlockActivations& kept,
                    std::span<KeyValueCache* const> caches) const {
  const MatrixView middle = middle_for(step, input, out, kept);
  attention_residual_.forward(step, input, middle, kept.attention_residual,
                              [&](ConstMatrixView in, ConstMatrixView addend, MatrixView y) {
                                attention_.forward(step, in, addend, y, kept.attention, caches);
                              });
  mlp_residual_.forward(step, middle, out, kept.mlp_residual,
                        [&](ConstMatrixView in, ConstMatrixView addend, MatrixView y) {
                          mlp_.forward(step, in, addend, y, kept.mlp);
                        });
}

void Block::backward(const StepState& step, MatrixView d, ConstMatrixView input, BlockActivations& kept,
                     bool input_gradient) const {
  ConstMatrixView middle = kept.middle.view();
  if (attention_residual_.normed_sum())
    middle =
        mlp_.needs_input() ? attention_residual_.output(step, kept.attention_residual) : ConstMatrixView{};
  mlp_residual_.backward(step, d, middle, kept.mlp_residual, true, mlp_.needs_input(),
                         [&](ConstMatrixView dy, ConstMatrixView in, MatrixView din, ops::Write write) {
                           mlp_.backward(step, dy, in, kept.mlp, din, write);
                         });
  if (!input_gradient && !attention_part_trained()) return;
  attention_residual_.backward(step, d, input, kept.attention_residual, input_gradient,
                               attention_.needs_input(),
                               [&](ConstMatrixView dy, ConstMatrixView in, MatrixView din, ops::Write write) {
                                 attention_.backward(step, dy, in, kept.attention, din, write);
                               });
}

Footprint Block::footprint(const BlockSpec& spec, const BlockUse& use) {
  Footprint around = Residual::footprint(spec, use.hidden_size, use.dropout);
  Footprint block = around;
  around.forward_scratch = around.backward_scratch = 0;  // which the two residuals share
  block += around;
  block += SelfAttention::footprint(spec.attention, use.linears, use.input_gradient);
  block += Mlp::footprint(spec.mlp, use.linears);
  if (spec.placement != NormPlacement::after_sum) block.kept += use.hidden_size;  // the stream between them
  if (spec.placement != NormPlacement::before) block.not_recomputed_flops = 0.0;  // a norm reads the output
  for (const auto& [role, linear] : use.linears) {
    const std::int64_t low_rank_bytes = linear.rank * static_cast<std::int64_t>(sizeof(float));
    block.kept_bytes += low_rank_bytes;
    block.passing_bytes += low_rank_bytes;
  }
  return block;
}

}  // namespace cola
