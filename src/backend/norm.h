#pragma once
#include <span>

#include "backend/context.h"
#include "core/matrix.h"

namespace cola::ops {

/// Row-wise normalisation of x [T, D] (compute dtype); weight, bias [D], statistics [T] and their gradients
/// in f32. dx = or += by `write`; dweight, dbias are added to and may be empty (not computed). A row whose
/// mean square (variance) is not finite has NaN as rstd and as all of y, not zeros, so that it cannot go
/// unseen.

/// Layer norm (Ba et al., 2016): y = (x - mean) rstd * weight + bias, rstd = 1 / sqrt(var + eps), biased
/// variance.
void layer_norm_forward(Context& context, ConstMatrixView x, std::span<const float> weight,
                        std::span<const float> bias, float eps, MatrixView y, std::span<float> mean,
                        std::span<float> rstd);
void layer_norm_backward(Context& context, ConstMatrixView dy, ConstMatrixView x,
                         std::span<const float> weight, std::span<const float> mean,
                         std::span<const float> rstd, MatrixView dx, Write write, std::span<float> dweight,
                         std::span<float> dbias);

/// How a family's RMS norm is computed.
struct RmsNorm {
  float epsilon = 0.0F;
  bool unit_offset = false;  ///< x rstd is multiplied by 1 + weight, formed in f32 (Gemma)
  /// x rstd is rounded to x's dtype before it is multiplied, as transformers' Llama has it; else only the
  /// product is rounded (Gemma, OLMo 2). The backward is the same: it ignores roundings.
  bool rounds_before_weight = false;
};

/// RMS norm (Zhang and Sennrich, 2019): y = x rstd * weight, rstd = 1 / sqrt(mean(x^2) + epsilon).
void rms_norm_forward(Context& context, ConstMatrixView x, std::span<const float> weight, const RmsNorm& norm,
                      MatrixView y, std::span<float> rstd);
void rms_norm_backward(Context& context, ConstMatrixView dy, ConstMatrixView x, std::span<const float> weight,
                       const RmsNorm& norm, std::span<const float> rstd, MatrixView dx, Write write,
                       std::span<float> dweight);

}  // namespace cola::ops
