#pragma once
#include <array>
#include <memory>
#include <vector>

#include "model/norm_layer.h"
#include "model/self_attention.h"

namespace cola {

/// What one block keeps between forward and backward. Which members are used depends on the architecture;
/// inputs of linear layers are kept only where Linear::needs_input().
struct BlockActivations {
  Matrix input;         ///< [T, D] residual stream into the block
  Matrix attention_in;  ///< [T, D] input of q, k, v (pre-norm: the norm's output)
  Matrix middle;        ///< [T, D] input of the second norm (pre-norm: residual after attention)
  Matrix mlp_in;        ///< [T, D] input of the MLP
  Matrix gate, up;      ///< [T, F] Llama's gate and up projections
  Matrix hidden;        ///< [T, F] OPT only: input of the last projection
  Buffer positive;      ///< OPT only: relu's mask, [relu_mask_bytes(T, F)]
  Matrix last;          ///< [T, D] post-norm only: input of the last norm
  std::array<NormActivations, 2> norms;  ///< of the first and second norm
  AttentionActivations attention;
  std::array<LinearActivations, 3> mlp;
};

/// A decoder block as a forward/backward pair.
class Block {
 public:
  virtual ~Block() = default;

  /// x [T, D] becomes the block's output, in place. `caches` as in SelfAttention::forward.
  virtual void forward(const StepState& step, MatrixView x, BlockActivations& kept,
                       std::span<KeyValueCache* const> caches) const = 0;

  /// Fills `kept` from the block's input x [T, D], bit for bit as forward with step.keep did; the output is
  /// not computed and x is left unspecified.
  virtual void recompute(const StepState& step, MatrixView x, BlockActivations& kept) const = 0;

  /// d [T, D], the gradient of the output, becomes that of the input, in place. With `input_gradient` false
  /// nothing below this block is trained: only gradients of its own trained tensors are computed and d is
  /// left unspecified.
  virtual void backward(const StepState& step, MatrixView d, BlockActivations& kept,
                        bool input_gradient) const = 0;

  [[nodiscard]] virtual std::vector<Linear*> linears() = 0;
  [[nodiscard]] virtual bool trained() const = 0;  ///< whether anything in the block gets a gradient
};

/// `index` numbers the block; rotary is null for OPT.
[[nodiscard]] std::unique_ptr<Block> make_block(const ModelConfig& config, Weights& weights,
                                                std::int64_t index, const RotaryTable* rotary);
[[nodiscard]] std::unique_ptr<Block> make_opt_block(const ModelConfig& config, Weights& weights,
                                                    std::int64_t index);
[[nodiscard]] std::unique_ptr<Block> make_llama_block(const ModelConfig& config, Weights& weights,
                                                      std::int64_t index, const RotaryTable* rotary);

/// Room [rows, cols] for a linear layer's input: `kept` where its backward reads it, else scratch of this
/// name.
[[nodiscard]] MatrixView room_for_input(const StepState& step, bool needed, Matrix& kept, const char* scratch,
                                        ConstMatrixView like, std::int64_t cols);

/// x = x + branch, the branch first passing the hidden dropout of the step (site: 2 block + 0 or 1).
void add_residual(const StepState& step, MatrixView x, MatrixView branch, std::uint64_t site);
/// The gradient that enters the branch of add_residual: d under the same mask (d itself without dropout).
[[nodiscard]] ConstMatrixView branch_gradient(const StepState& step, ConstMatrixView d, std::uint64_t site);

}  // namespace cola
