#pragma once
#include <optional>
#include <vector>

#include "backend/attention.h"
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
  LinearActivations q_linear, k_linear, v_linear, out_linear;
  Matrix q_raw, k_raw;             ///< before their heads' norms; empty without
  NormActivations q_norm, k_norm;  ///< a row a head and token
};

/// Causal self-attention with its four projections. Queries and keys may have a norm over each head, then
/// rotary.
class SelfAttention {
 public:
  /// Of this block; `first_index`: number of its first linear layer in the model. `rotary`: null for none.
  SelfAttention(const ModelConfig& config, Weights& weights, std::int64_t block, std::uint64_t first_index,
                const RotaryTable* rotary);

  /// y [T, D] = addend + attention of x [T, D]; addend as of Linear::forward. With caches, one a sequence of
  /// the batch, sequence s goes on from what caches[s] holds, and its keys and values are appended there.
  void forward(const StepState& step, ConstMatrixView x, ConstMatrixView addend, MatrixView y,
               AttentionActivations& kept, std::span<KeyValueCache* const> caches) const;

  /// Gradients of what is trained; dx = (written) unless empty. Consumes q, k, v of `kept`.
  void backward(const StepState& step, ConstMatrixView dy, ConstMatrixView x, AttentionActivations& kept,
                MatrixView dx) const;

  [[nodiscard]] bool trained() const;
  [[nodiscard]] bool needs_input() const;  ///< whether the backward reads x
  [[nodiscard]] std::vector<Linear*> linears() { return {&q_, &k_, &v_, &out_}; }

 private:
  [[nodiscard]] bool inner_trained() const {
    return q_.trained() || k_.trained() || v_.trained() ||
           (q_norm_ && (q_norm_->trained() || k_norm_->trained()));
  }

  ops::AttentionShape shape_;
  const RotaryTable* rotary_;  ///< null for none
  Linear q_, k_, v_, out_;
  std::optional<NormLayer> q_norm_, k_norm_;
};

}  // namespace cola
