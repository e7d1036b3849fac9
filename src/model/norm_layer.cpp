#include "model/norm_layer.h"

#include "backend/norm.h"
#include "core/finite_values.h"

namespace cola {

bool NormActivations::finite(Memory& memory) const {
  return all_finite(FloatsOnHost(memory, rstd.floats()).values());
}

NormLayer::NormLayer(const ModelConfig& config, Weights& weights, ParameterRole role, std::int64_t block)
    : epsilon_(static_cast<float>(config.norm_epsilon)),
      weight_(&weights.at(role, block)),
      bias_(config.norm == NormKind::layer ? weights.find(role, block, true) : nullptr) {}

void NormLayer::forward(ops::Context& context, ConstMatrixView x, MatrixView y, NormActivations& kept) const {
  kept.rstd.resize(context.memory(), DType::f32, 1, x.rows);
  if (bias_ == nullptr) {
    ops::rms_norm_forward(context, x, weight_->vector(), {.epsilon = epsilon_}, y, kept.rstd.floats());
    return;
  }
  kept.mean.resize(context.memory(), DType::f32, 1, x.rows);
  ops::layer_norm_forward(context, x, weight_->vector(), bias_->vector(), epsilon_, y, kept.mean.floats(),
                          kept.rstd.floats());
}

ConstMatrixView NormLayer::normed(ops::Context& context, ConstMatrixView x, NormActivations& kept,
                                  const char* scratch) const {
  const MatrixView y = context.scratch(scratch, x.dtype, x.rows, x.cols);
  forward(context, x, y, kept);
  return y;
}

void NormLayer::backward(ops::Context& context, ConstMatrixView dy, ConstMatrixView x,
                         const NormActivations& kept, MatrixView dx, ops::Write write) const {
  const auto dweight = weight_->trained() ? weight_->gradient.floats() : std::span<float>();
  if (bias_ == nullptr) {
    ops::rms_norm_backward(context, dy, x, weight_->vector(), {.epsilon = epsilon_}, kept.rstd.floats(), dx,
                           write, dweight);
    return;
  }
  const auto dbias = bias_->trained() ? bias_->gradient.floats() : std::span<float>();
  ops::layer_norm_backward(context, dy, x, weight_->vector(), kept.mean.floats(), kept.rstd.floats(), dx,
                           write, dweight, dbias);
}

}  // namespace cola
