#include "model/block.h"

namespace cola {

std::unique_ptr<Block> make_block(const ModelConfig& config, Weights& weights, std::int64_t index,
                                  const RotaryTable* rotary) {
  if (config.activation == Activation::relu) return make_opt_block(config, weights, index);
  const bool turns = config.rotary_layers.empty() || config.rotary_layers.at(static_cast<std::size_t>(index));
  return make_llama_block(config, weights, index, turns ? rotary : nullptr);
}

MatrixView room_for_middle(const StepState& step, ConstMatrixView input, MatrixView out,
                           BlockActivations& kept) {
  if (!step.keep) return out;
  kept.middle.resize(step.context.memory(), input.dtype, input.rows, input.cols);
  return kept.middle.view();
}

void drop_branch(const StepState& step, ConstMatrixView x, std::uint64_t site, MatrixView y) {
  ops::dropout(step.context, x, dropout_key(step, RandomPurpose::hidden_dropout, site, step.hidden_dropout),
               step.batch.token_keys, y);
}

ConstMatrixView branch_gradient(const StepState& step, ConstMatrixView d, std::uint64_t site) {
  if (step.hidden_dropout == 0.0F) return d;
  const MatrixView masked = step.context.scratch("block.branch_gradient", d.dtype, d.rows, d.cols);
  drop_branch(step, d, site, masked);
  return masked;
}

}  // namespace cola
