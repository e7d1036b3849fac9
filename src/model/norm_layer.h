#pragma once
#include <string>

#include "backend/context.h"
#include "model/decoder_spec.h"
#include "model/weights.h"

namespace cola {

/// What a norm keeps for its backward: [1, T] each, f32; the mean of layer norm only.
struct NormActivations {
  Matrix mean, rstd;

  /// Whether every row's mean square (of layer norm, variance) was finite.
  [[nodiscard]] bool finite(Memory& memory) const;
};

/// A norm with its parameters: layer norm with bias, or RMS norm.
class NormLayer {
 public:
  NormLayer(const NormSpec& spec, Weights& weights, ParameterRole role, std::int64_t block = -1);

  /// y = norm(x), [T, D]; `kept` is written.
  void forward(ops::Context& context, ConstMatrixView x, MatrixView y, NormActivations& kept) const;
  /// The same y in scratch of this name, and the same statistics.
  [[nodiscard]] ConstMatrixView normed(ops::Context& context, ConstMatrixView x, NormActivations& kept,
                                       const char* scratch) const;
  /// dx = or += the gradient of x; adds to the parameters' gradients where they are trained.
  void backward(ops::Context& context, ConstMatrixView dy, ConstMatrixView x, const NormActivations& kept,
                MatrixView dx, ops::Write write) const;

  [[nodiscard]] bool trained() const { return weight_->trained(); }
  [[nodiscard]] std::string name() const { return weight_->spec.module(); }
  [[nodiscard]] std::int64_t width() const { return weight_->value.plain().cols; }

 private:
  NormSpec spec_;
  Parameter* weight_;
  Parameter* bias_;  ///< null for RMS norm
};

}  // namespace cola
