#pragma once
#include <array>
#include <string>
#include <vector>

#include "model/mlp.h"
#include "model/residual.h"
#include "model/self_attention.h"

namespace cola {

/// What one block keeps between forward and backward, beside its input. What a norm makes is not kept, but
/// made again by the backward where a linear layer's backward reads it.
struct BlockActivations {
  Matrix middle;  ///< [T, D] the residual stream after attention; with norms after the sums made again
  ResidualActivations attention_residual, mlp_residual;
  AttentionActivations attention;
  MlpActivations mlp;
};

/// What a block's costs depend on beside its spec.
struct BlockUse {
  std::int64_t hidden_size = 0;
  BlockLinears linears;
  bool input_gradient = true;  ///< whether something below the block is trained
  bool dropout = false;        ///< hidden dropout
};

/// A decoder block: attention and an MLP on the residual stream.
class Block {
 public:
  /// `index` numbers the block; `tables` are those of spec.rotary_tables, and outlive it.
  Block(const DecoderSpec& spec, Weights& weights, std::int64_t index, std::span<const RotaryTable> tables);

  /// out [T, D] = the block's output for `input` [T, D]; out may be input, unless step.keep. Of an empty out
  /// only `kept` is computed, bit for bit as with one. `caches` as in SelfAttention::forward.
  void forward(const StepState& step, ConstMatrixView input, MatrixView out, BlockActivations& kept,
               std::span<KeyValueCache* const> caches) const;

  /// d [T, D], the gradient of the output, becomes that of the input, in place; `input` as the forward had
  /// it. With `input_gradient` false nothing below this block is trained: only gradients of its own trained
  /// tensors are computed and d is left unspecified.
  void backward(const StepState& step, MatrixView d, ConstMatrixView input, BlockActivations& kept,
                bool input_gradient) const;

  /// What the projections of queries, keys and values read, [T, D], in scratch, made again from the block's
  /// input.
  [[nodiscard]] ConstMatrixView attention_input(const StepState& step, ConstMatrixView input,
                                                BlockActivations& kept) const {
    return attention_residual_.input(step, input, kept.attention_residual);
  }

  [[nodiscard]] std::vector<Linear*> linears();  ///< in the order of the forward
  [[nodiscard]] bool trained() const;            ///< whether anything in the block gets a gradient
  /// The name of the first norm of a forward whose input had a row too large for its mean square; empty if
  /// none had.
  [[nodiscard]] std::string overflowing_norm(Memory& memory, const BlockActivations& kept) const;

  [[nodiscard]] static Footprint footprint(const BlockSpec& spec, const BlockUse& use);

 private:
  [[nodiscard]] bool attention_part_trained() const {
    return attention_.trained() || attention_residual_.trained();
  }
  [[nodiscard]] MatrixView middle_for(const StepState& step, ConstMatrixView input, MatrixView out,
                                      BlockActivations& kept) const;

  Residual attention_residual_, mlp_residual_;
  SelfAttention attention_;
  Mlp mlp_;
};

}  // namespace cola
