#include "model/norm_layer.h"

#include "backend/norm.h"
#include "core/finite_values.h"

namespace cola {
namespace {

ops::RmsNorm rms_norm(const NormSpec& spec) {
  return {spec.epsilon, spec.unit_offset, spec.rounds_before_weight};
}

}  // namespace

bool NormActivations::finite(Memory& memory) const {
  return all_finite(FloatsOnHost(memory, rstd.floats()).values());
}

NormLayer::NormLayer(const NormSpec& spec, Weights& weights, ParameterRole role, std::int64_t block)
    : spec_(spec), weight_(&weights.at(role, block)), bias_(weights.find(role, block, true)) {}

void NormLayer::forward(ops::Context& context, ConstMatrixView x, MatrixView y, NormActivations& kept) const {
  kept.rstd.resize(context.memory(), DType::f32, 1, x.rows);
  if (const ops::RmsNorm rms = rms_norm(spec_); spec_.kind == NormKind::rms)
    return ops::rms_norm_forward(context, x, weight_->vector(), rms, y, kept.rstd.floats());
  kept.mean.resize(context.memory(), DType::f32, 1, x.rows);
  ops::layer_norm_forward(context, x, weight_->vector(), bias_->vector(), spec_.epsilon, y,
                          kept.mean.floats(), kept.rstd.floats());
}

ConstMatrixView NormLayer::normed(ops::Context& context, ConstMatrixView x, NormActivations& kept,
                                  const char* scratch) const {
  const MatrixView y = context.scratch(scratch, x.dtype, x.rows, x.cols);
  forward(context, x, y, kept);
  return y;
}

void NormLayer::backward(ops::Context& context, ConstMatrixView dy, ConstMatrixView x,
                         const NormActivations& kept, MatrixView dx, ops::Write write) const {
  const auto dweight = weight_->trained() ? weight_->training->gradient.floats() : std::span<float>();
  if (const ops::RmsNorm rms = rms_norm(spec_); spec_.kind == NormKind::rms)
    return ops::rms_norm_backward(context, dy, x, weight_->vector(), rms, kept.rstd.floats(), dx, write,
                                  dweight);
  const auto dbias = bias_->trained() ? bias_->training->gradient.floats() : std::span<float>();
  ops::layer_norm_backward(context, dy, x, weight_->vector(), kept.mean.floats(), kept.rstd.floats(), dx,
                           write, dweight, dbias);
}

}  // namespace cola
