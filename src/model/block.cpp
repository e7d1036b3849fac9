#include "model/block.h"

namespace cola {

std::unique_ptr<Block> make_block(const ModelConfig& config, Weights& weights, std::int64_t index,
                                  const RotaryTable* rotary) {
  return config.architecture == Architecture::opt ? make_opt_block(config, weights, index)
                                                  : make_llama_block(config, weights, index, rotary);
}

MatrixView room_for_input(const StepState& step, bool needed, Matrix& kept, const char* scratch,
                          ConstMatrixView like, std::int64_t cols) {
  if (!step.keep || !needed) return step.context.scratch(scratch, like.dtype, like.rows, cols);
  kept.resize(step.context.memory(), like.dtype, like.rows, cols);
  return kept.view();
}

void add_residual(const StepState& step, MatrixView x, MatrixView branch, std::uint64_t site) {
  if (step.hidden_dropout > 0.0F) {
    ops::dropout(step.context, branch,
                 dropout_key(step, RandomPurpose::hidden_dropout, site, step.hidden_dropout),
                 step.batch.token_keys, branch);
  }
  ops::add(step.context, x, branch, x);
}

ConstMatrixView branch_gradient(const StepState& step, ConstMatrixView d, std::uint64_t site) {
  if (step.hidden_dropout == 0.0F) return d;
  const MatrixView masked = step.context.scratch("block.branch_gradient", d.dtype, d.rows, d.cols);
  ops::dropout(step.context, d, dropout_key(step, RandomPurpose::hidden_dropout, site, step.hidden_dropout),
               step.batch.token_keys, masked);
  return masked;
}

}  // namespace cola
