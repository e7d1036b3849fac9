#pragma once
#include <string>
#include <vector>

#include "backend/context.h"
#include "model/weights.h"

namespace cola {

/// The norm of an architecture with its parameters: layer norm with bias (OPT) or RMS norm (Llama).
class NormLayer {
 public:
  NormLayer() = default;
  NormLayer(const ModelConfig& config, Weights& weights, const std::string& name);

  /// y = norm(x), [T, D]; mean (layer norm only) and rstd are resized to T.
  void forward(ops::Context& context, ConstMatrixView x, MatrixView y, std::vector<float>& mean,
               std::vector<float>& rstd) const;
  /// dx = or += the gradient of x; adds to the parameters' gradients where they are trained.
  void backward(ops::Context& context, ConstMatrixView dy, ConstMatrixView x, const std::vector<float>& mean,
                const std::vector<float>& rstd, MatrixView dx, ops::Write write) const;

  [[nodiscard]] bool trained() const { return weight_->trained(); }

 private:
  float epsilon_ = 0.0F;
  Parameter* weight_ = nullptr;
  Parameter* bias_ = nullptr;  ///< null for RMS norm
};

}  // namespace cola
