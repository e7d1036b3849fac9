// Where a model whose loss is no longer finite breaks: a part of Decoder apart from its passes.
#include "model/decoder.h"

namespace cola {

std::string Decoder::overflowing_norm(const StepState& step, DecoderActivations& activations) const {
  require_positions(step.batch);
  Memory& memory = step.context.memory();
  std::string found;
  run_blocks(turned_by(step, activations), activations, {},
             [&](const Block& block, const BlockActivations& kept) {
               if (found.empty()) found = block.overflowing_norm(memory, kept);
             });
  if (!found.empty() || !final_norm_) return found;
  head_input(step, activations, step.batch.loss_rows);
  return activations.head_norm.finite(memory) ? "" : final_norm_->name();
}

}  // namespace cola
