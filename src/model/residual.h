#pragma once
#include <functional>
#include <optional>
#include <string>

#include "model/footprint.h"
#include "model/linear.h"
#include "model/norm_layer.h"

namespace cola {

/// What a residual connection keeps for its backward.
struct ResidualActivations {
  Matrix sum;     ///< [T, D], with a norm after the sum: what it reads
  Matrix branch;  ///< [T, D], with a norm after the sub-layer: what it reads
  NormActivations norm, output_norm;
};

/// A sub-layer on the residual stream, with the norms and the dropout around it (see NormPlacement).
class Residual {
 public:
  /// y [T, D] = addend + f(in); an empty addend is none. Of an empty y only what f keeps is computed.
  using Forward = std::function<void(ConstMatrixView in, ConstMatrixView addend, MatrixView y)>;
  /// The gradient dy of f's output: adds to what is trained in f, and writes or adds din unless it is empty.
  using Backward =
      std::function<void(ConstMatrixView dy, ConstMatrixView in, MatrixView din, ops::Write write)>;

  /// Norms of these roles in `block`. `site` keys the dropout mask: 2 block + 0 or 1.
  Residual(const BlockSpec& spec, Weights& weights, ParameterRole norm, ParameterRole output_norm,
           std::int64_t block, std::uint64_t site);

  /// What the sub-layer reads of the stream x [T, D]: x itself, or its norm in scratch.
  [[nodiscard]] ConstMatrixView input(const StepState& step, ConstMatrixView x,
                                      ResidualActivations& kept) const;

  /// y [T, D] of the stream x [T, D]; y may be x. Of an empty y only what is kept is computed.
  void forward(const StepState& step, ConstMatrixView x, MatrixView y, ResidualActivations& kept,
               const Forward& sublayer) const;

  /// With NormPlacement::after_sum: y again, in scratch.
  [[nodiscard]] ConstMatrixView output(const StepState& step, ResidualActivations& kept) const;

  /// d [T, D], the gradient of y, becomes x's, in place; x as the forward had it, and may be empty where
  /// nothing reads it. Without `input_gradient` only what is trained here gets gradients. `reads_input`:
  /// whether the sub-layer's backward reads its input.
  void backward(const StepState& step, MatrixView d, ConstMatrixView x, ResidualActivations& kept,
                bool input_gradient, bool reads_input, const Backward& sublayer) const;

  [[nodiscard]] bool normed_sum() const { return placement_ == NormPlacement::after_sum; }
  [[nodiscard]] bool trained() const;  ///< whether a norm here gets a gradient
  /// The name of the norm whose input had a row too large for its mean square; empty if none had.
  [[nodiscard]] std::string overflowing_norm(Memory& memory, const ResidualActivations& kept) const;

  /// `width`: of the stream.
  [[nodiscard]] static Footprint footprint(const BlockSpec& spec, std::int64_t width, bool dropout);

 private:
  [[nodiscard]] bool has_norm_before() const {
    return placement_ == NormPlacement::before || placement_ == NormPlacement::before_and_after;
  }
  void drop(const StepState& step, ConstMatrixView x, MatrixView y) const;
  void add(const StepState& step, ConstMatrixView x, MatrixView branch, MatrixView sum) const;
  [[nodiscard]] ConstMatrixView branch_gradient(const StepState& step, ConstMatrixView d,
                                                const ResidualActivations& kept) const;

  NormPlacement placement_;
  float multiplier_;
  std::uint64_t site_;
  std::optional<NormLayer> norm_;         ///< before the sub-layer, or after the sum
  std::optional<NormLayer> output_norm_;  ///< after the sub-layer
};

}  // namespace cola
