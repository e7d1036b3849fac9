#include "model/norm_layer.h"

#include "backend/norm.h"

namespace cola {

NormLayer::NormLayer(const ModelConfig& config, Weights& weights, const std::string& name)
    : epsilon_(static_cast<float>(config.norm_epsilon)),
      weight_(&weights.at(name + ".weight")),
      bias_(config.architecture == Architecture::opt ? &weights.at(name + ".bias") : nullptr) {}

void NormLayer::forward(ops::Context& context, ConstMatrixView x, MatrixView y, std::vector<float>& mean,
                        std::vector<float>& rstd) const {
  rstd.resize(static_cast<std::size_t>(x.rows));
  if (bias_ == nullptr) {
    ops::rms_norm_forward(context, x, weight_->vector(), epsilon_, y, rstd);
    return;
  }
  mean.resize(rstd.size());
  ops::layer_norm_forward(context, x, weight_->vector(), bias_->vector(), epsilon_, y, mean, rstd);
}

void NormLayer::backward(ops::Context& context, ConstMatrixView dy, ConstMatrixView x,
                         const std::vector<float>& mean, const std::vector<float>& rstd, MatrixView dx,
                         ops::Write write) const {
  const auto dweight = weight_->trained() ? weight_->gradient.floats() : std::span<float>();
  if (bias_ == nullptr) {
    ops::rms_norm_backward(context, dy, x, weight_->vector(), rstd, dx, write, dweight);
    return;
  }
  const auto dbias = bias_->trained() ? bias_->gradient.floats() : std::span<float>();
  ops::layer_norm_backward(context, dy, x, weight_->vector(), mean, rstd, dx, write, dweight, dbias);
}

}  // namespace cola
