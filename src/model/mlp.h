#pragma once
#include <array>
#include <optional>
#include <vector>

#include "model/footprint.h"
#include "model/linear.h"

namespace cola {

/// What an MLP keeps for its backward.
struct MlpActivations {
  Matrix gate, up;  ///< [T, F] of a gated MLP
  Matrix gate_up;   ///< [T, 2F] instead, where one layer makes both
  Matrix hidden;    ///< [T, F] without a gate: input of the last layer, where its backward reads it
  Buffer positive;  ///< without a gate: relu's mask, [relu_mask_bytes(T, F)]
  LinearActivations gate_linear, up_linear, down_linear;
};

/// down(relu(up(x))), or down(f(gate(x)) up(x)), where one layer may make both gate and up.
class Mlp {
 public:
  /// Of this block; `first_index`: number of its first linear layer in the model.
  Mlp(const MlpSpec& spec, Weights& weights, std::int64_t block, std::uint64_t first_index);

  /// y [T, D] = addend + the MLP of x [T, D]; addend as of Linear::forward. Of an empty y only `kept` is
  /// computed.
  void forward(const StepState& step, ConstMatrixView x, ConstMatrixView addend, MatrixView y,
               MlpActivations& kept) const;

  /// Gradients of what is trained; dx = or += by `write`. Consumes gate and up of `kept`. x may be empty
  /// where needs_input() is false.
  void backward(const StepState& step, ConstMatrixView dy, ConstMatrixView x, MlpActivations& kept,
                MatrixView dx, ops::Write write) const;

  [[nodiscard]] bool trained() const;
  [[nodiscard]] bool needs_input() const;  ///< whether the backward reads x
  [[nodiscard]] std::vector<Linear*> linears();

  [[nodiscard]] static Footprint footprint(const MlpSpec& spec, const BlockLinears& linears);

 private:
  struct Gated {
    MatrixView gate, up;
  };
  /// gate and up as they are kept, of so many rows.
  [[nodiscard]] Gated gated(const StepState& step, DType dtype, std::int64_t rows,
                            MlpActivations& kept) const;
  void forward_gated(const StepState& step, ConstMatrixView x, MlpActivations& kept, MatrixView hidden) const;
  [[nodiscard]] MatrixView hidden_scratch(const StepState& step, ConstMatrixView like) const;

  MlpSpec spec_;
  ops::Gate function_;
  std::optional<Linear> gate_;  ///< of its own
  Linear up_;                   ///< with the gate, where that has no layer of its own
  Linear down_;
};

}  // namespace cola
