#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "backend/context.h"
#include "backend/elementwise.h"
#include "backend/ragged_batch.h"
#include "core/matrix.h"
#include "core/random.h"
#include "model/product_weight.h"
#include "model/weights.h"

namespace cola {

/// A low-rank branch attached to a linear layer: y += scale (x A^T) B^T. Tensors belong to the chain.
struct LowRankBranch {
  const Matrix* a = nullptr;
  const Matrix* b = nullptr;
  float scale = 0.0F;
  bool live = false;             ///< the link that is trained; tied links are frozen
  Matrix* a_gradient = nullptr;  ///< null: A is frozen (--freeze-a)
  Matrix* b_gradient = nullptr;
};

/// What a step of training or evaluation needs beside the weights.
struct StepState {
  ops::Context& context;
  const RaggedBatch& batch;
  bool keep = false;            ///< keep what the backward needs ...
  float hidden_dropout = 0.0F;  ///< 0 in evaluation
  float lora_dropout = 0.0F;
  std::uint64_t dropout_seed = 0;  ///< keyed by run seed and optimizer step
  bool recompute = false;          ///< ... but of a block only its input: the backward computes it again
  /// For each rotary table the rows of the batch's tokens; empty: their positions.
  // NOLINTNEXTLINE(readability-redundant-member-init): GCC warns of an initializer that is missing
  std::span<const std::vector<std::int32_t>> rotary_rows = {};

  [[nodiscard]] bool drops() const { return hidden_dropout > 0.0F || lora_dropout > 0.0F; }
  /// The same step of another batch.
  [[nodiscard]] StepState of(const RaggedBatch& other) const {
    return {context, other, keep, hidden_dropout, lora_dropout, dropout_seed, recompute, {}};
  }
};

/// What a linear layer keeps for its backward: x A^T of the live branch [T, r].
struct LinearActivations {
  Matrix low_rank;
};

/// A linear layer with its frozen (or trained) weight [out, in], its bias and its low-rank branches.
class Linear {
 public:
  Linear() = default;
  Linear(std::string name, std::uint64_t index, Parameter& weight, Parameter* bias)
      : name_(std::move(name)), index_(index), weight_(weight), bias_(bias) {}

  /// y [T, out] = addend + x [T, in] W^T + bias + sum over branches; an empty addend is none, y may be it. Of
  /// an empty y only `kept` is computed.
  void forward(const StepState& step, ConstMatrixView x, ConstMatrixView addend, MatrixView y,
               LinearActivations& kept) const;

  /// y [T, out] = relu(x W^T + bias + sum over branches) with its mask, which may be empty.
  void forward_relu(const StepState& step, ConstMatrixView x, MatrixView y, std::span<std::uint8_t> positive,
                    LinearActivations& kept) const;
  /// The same as backward, with dx, which is written, then under a mask of its shape.
  void backward_relu(const StepState& step, ConstMatrixView dy, ConstMatrixView x, LinearActivations& kept,
                     std::span<const std::uint8_t> positive, MatrixView dx) const;

  /// Of a gated MLP's last layer, whose x is gate_forward's h: dhidden as backward writes it, and then gate's
  /// and up's gradients, which may be written in their place.
  struct GatedGradient {
    ConstMatrixView gate, up;
    MatrixView dhidden, dgate, dup;
  };
  void backward_gate(const StepState& step, ops::Gate function, ConstMatrixView dy, ConstMatrixView x,
                     LinearActivations& kept, const GatedGradient& gradient) const;

  /// Adds to the gradients of what is trained here, and writes or adds dx = dy W_effective unless dx is
  /// empty. x is the forward's input; it may be empty where needs_input() is false.
  void backward(const StepState& step, ConstMatrixView dy, ConstMatrixView x, LinearActivations& kept,
                MatrixView dx, ops::Write write) const;

  /// What a branch sees of x: with LoRA dropout for the live one. Valid until the next call with this
  /// context.
  [[nodiscard]] ConstMatrixView branch_input(const StepState& step, const LowRankBranch& branch,
                                             ConstMatrixView x) const;
  /// y = branch_input's dropout of x, for LoRA's input and for the gradient of it.
  void drop_branch(const StepState& step, ConstMatrixView x, MatrixView y) const;

  [[nodiscard]] ops::BiasView bias_view() const { return bias_ != nullptr ? bias_->bias() : ops::BiasView(); }

  [[nodiscard]] bool needs_input() const;  ///< whether the backward reads x
  [[nodiscard]] bool trained() const;      ///< whether anything here gets a gradient

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] ProductWeight& weight() { return weight_; }
  [[nodiscard]] const ProductWeight& weight() const { return weight_; }
  [[nodiscard]] Parameter* bias() const { return bias_; }
  [[nodiscard]] std::int64_t out_features() const { return weight_.values().plain().rows; }
  [[nodiscard]] std::int64_t in_features() const { return weight_.values().plain().cols; }

  std::vector<LowRankBranch> branches;

 private:
  [[nodiscard]] const LowRankBranch* live_branch() const;

  std::string name_;
  std::uint64_t index_ = 0;  ///< number of this layer in the model: part of its dropout masks' key
  ProductWeight weight_;
  Parameter* bias_ = nullptr;
};

/// The layer of this role with its bias, if it has one; `index` as of the constructor.
[[nodiscard]] Linear make_linear(Weights& weights, ParameterRole role, std::int64_t block,
                                 std::uint64_t index);

/// A layer's part in a forward of all layers that read the same x.
struct LinearForward {
  const Linear* layer = nullptr;
  MatrixView y;  ///< [T, out], written; empty: only `kept` is computed
  LinearActivations* kept = nullptr;
  ConstMatrixView addend = {};
};
/// Linear::forward of each, with one pass over x for all branches.
void forward_together(const StepState& step, ConstMatrixView x, std::span<const LinearForward> parts);

/// From du [T, r] of some branches, the gradients with respect to x A^T: adds to A's gradients where they are
/// trained, and to dx unless empty. A live branch's input and gradient pass LoRA dropout.
struct BranchGradient {
  const Linear* layer = nullptr;
  const LowRankBranch* branch = nullptr;
  MatrixView du;
};
void backward_a_together(const StepState& step, ConstMatrixView x, std::span<const BranchGradient> parts,
                         MatrixView dx);

/// A layer's part in the backward of forward_together.
struct LinearBackward {
  const Linear* layer = nullptr;
  ConstMatrixView dy;  ///< [T, out]
  LinearActivations* kept = nullptr;
};
/// Linear::backward of each, dx being the sum of theirs.
void backward_together(const StepState& step, ConstMatrixView x, std::span<const LinearBackward> parts,
                       MatrixView dx, ops::Write write);

/// Mask key of a dropout site: `site` numbers the sites of one purpose.
[[nodiscard]] ops::DropoutKey dropout_key(const StepState& step, RandomPurpose purpose, std::uint64_t site,
                                          float probability);

}  // namespace cola
