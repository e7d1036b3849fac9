#pragma once
#include <array>
#include <memory>
#include <vector>

#include "backend/elementwise.h"
#include "model/norm_layer.h"
#include "model/self_attention.h"

namespace cola {

/// What one block keeps between forward and backward, beside its input. Which members are used depends on the
/// architecture. What a norm makes is not kept, but made again by the backward where a linear layer's
/// backward reads it.
struct BlockActivations {
  Matrix middle;                         ///< [T, D] the residual stream after attention
  Matrix gate, up;                       ///< [T, F] of a gated MLP
  Matrix hidden;                         ///< [T, F] without a gate: input of the last projection
  Buffer positive;                       ///< without a gate: relu's mask, [relu_mask_bytes(T, F)]
  Matrix last;                           ///< [T, D] post-norm only: input of the last norm
  std::array<NormActivations, 2> norms;  ///< of the first and second norm
  AttentionActivations attention;
  std::array<LinearActivations, 3> mlp;
};

/// A decoder block as a forward/backward pair.
class Block {
 public:
  virtual ~Block() = default;

  /// out [T, D] = the block's output for `input` [T, D]; out may be input, unless step.keep. Of an empty out
  /// only `kept` is computed, bit for bit as with one. `caches` as in SelfAttention::forward.
  virtual void forward(const StepState& step, ConstMatrixView input, MatrixView out, BlockActivations& kept,
                       std::span<KeyValueCache* const> caches) const = 0;

  /// d [T, D], the gradient of the output, becomes that of the input, in place; `input` as the forward had
  /// it. With `input_gradient` false nothing below this block is trained: only gradients of its own trained
  /// tensors are computed and d is left unspecified.
  virtual void backward(const StepState& step, MatrixView d, ConstMatrixView input, BlockActivations& kept,
                        bool input_gradient) const = 0;

  /// What the projections of queries, keys and values read, [T, D], in scratch, made again from the block's
  /// input.
  [[nodiscard]] virtual ConstMatrixView attention_input(const StepState& step, ConstMatrixView input,
                                                        BlockActivations& kept) const = 0;

  [[nodiscard]] virtual std::vector<Linear*> linears() = 0;
  /// As BlockActivations::norms has them, which is the order of the forward.
  [[nodiscard]] virtual std::array<const NormLayer*, 2> norms() const = 0;
  [[nodiscard]] virtual bool trained() const = 0;  ///< whether anything in the block gets a gradient
};

/// `index` numbers the block; rotary is null where positions have a table of their own.
[[nodiscard]] std::unique_ptr<Block> make_block(const ModelConfig& config, Weights& weights,
                                                std::int64_t index, const RotaryTable* rotary);
[[nodiscard]] std::unique_ptr<Block> make_opt_block(const ModelConfig& config, Weights& weights,
                                                    std::int64_t index);
[[nodiscard]] std::unique_ptr<Block> make_llama_block(const ModelConfig& config, Weights& weights,
                                                      std::int64_t index, const RotaryTable* rotary);

/// Room [T, D] for the stream between the branches of a pre-norm block: kept, or the output's own.
[[nodiscard]] MatrixView room_for_middle(const StepState& step, ConstMatrixView input, MatrixView out,
                                         BlockActivations& kept);

/// y [T, D] = x under a residual branch's dropout mask; y may be x.
void drop_branch(const StepState& step, ConstMatrixView x, std::uint64_t site, MatrixView y);

/// sum [T, D] = stream + branch, where make(addend, y) computes y = addend + branch (nothing added where
/// addend is empty). With hidden dropout the branch passes it first (site: 2 block + 0 or 1). sum may be the
/// stream.
template <class Make>
void add_branch(const StepState& step, ConstMatrixView stream, MatrixView sum, std::uint64_t site,
                const Make& make) {
  if (step.hidden_dropout == 0.0F) return make(stream, sum);
  const MatrixView branch = step.context.scratch("block.branch", stream.dtype, stream.rows, stream.cols);
  make(ConstMatrixView{}, branch);
  drop_branch(step, branch, site, branch);
  ops::add(step.context, stream, branch, sum);
}
/// The gradient that enters the branch of add_branch: d under the same mask (d itself without dropout).
[[nodiscard]] ConstMatrixView branch_gradient(const StepState& step, ConstMatrixView d, std::uint64_t site);

}  // namespace cola
