#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/attention.h"
#include "model/footprint.h"
#include "model/key_value_cache.h"
#include "model/linear.h"
#include "model/norm_layer.h"
#include "model/rotary_table.h"

namespace cola {

/// What self-attention keeps for its backward.
struct AttentionActivations {
  Matrix q, k, v;      ///< [T, heads * head_dim], [T, kv_heads * head_dim] x 2, after rotation
  Matrix out;          ///< [T, heads * head_dim], input of the output projection
  Matrix log_sum_exp;  ///< [T, heads], f32
  LinearActivations q_linear, k_linear, v_linear, out_linear;  ///< of a fused projection the first
  Matrix q_raw, k_raw;                                         ///< before their norms; empty without
  NormActivations q_norm, k_norm;  ///< a row a token, and a head where each has its norm
};

/// Causal self-attention with its projections. Queries and keys may have norms, then rotary.
class SelfAttention {
 public:
  /// Of this block; `first_index`: number of its first linear layer in the model. `tables`: of the model, by
  /// the spec's index; they outlive it.
  SelfAttention(const BlockSpec& spec, Weights& weights, std::int64_t block, std::uint64_t first_index,
                std::span<const RotaryTable> tables);

  /// y [T, D] = addend + attention of x [T, D]; addend as of Linear::forward. With caches, one a sequence of
  /// the batch, sequence s goes on from what caches[s] holds, and its keys and values are appended there.
  void forward(const StepState& step, ConstMatrixView x, ConstMatrixView addend, MatrixView y,
               AttentionActivations& kept, std::span<KeyValueCache* const> caches) const;

  /// Gradients of what is trained; dx = or += by `write` unless it is empty. Consumes q, k, v of `kept`.
  void backward(const StepState& step, ConstMatrixView dy, ConstMatrixView x, AttentionActivations& kept,
                MatrixView dx, ops::Write write) const;

  [[nodiscard]] bool trained() const;
  [[nodiscard]] bool needs_input() const;  ///< whether the backward reads x
  [[nodiscard]] std::vector<Linear*> linears();
  /// The name of a norm whose input had a row too large for its mean square; empty if none had.
  [[nodiscard]] std::string overflowing_norm(Memory& memory, const AttentionActivations& kept) const;

  /// `input_gradient`: whether something below is trained.
  [[nodiscard]] static Footprint footprint(const AttentionSpec& spec, const BlockLinears& linears,
                                           bool input_gradient);

 private:
  /// A matrix for queries, keys and values each.
  struct Heads {
    MatrixView q, k, v;
  };
  void project(const StepState& step, ConstMatrixView x, AttentionActivations& kept, const Heads& y) const;
  void project_backward(const StepState& step, const Heads& dy, ConstMatrixView x, AttentionActivations& kept,
                        MatrixView dx, ops::Write write) const;
  void turn(const StepState& step, const Heads& heads, bool inverse) const;
  [[nodiscard]] bool inner_trained() const;

  AttentionSpec spec_;
  ops::AttentionShape shape_;
  const RotaryTable* rotary_ = nullptr;  ///< null for none
  std::vector<Linear> projections_;      ///< queries, keys, values; or one for the three
  Linear out_;
  std::optional<NormLayer> q_norm_, k_norm_;
};

}  // namespace cola
