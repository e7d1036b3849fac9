#include "backend/cuda/kernels/cross_entropy.h"

#include <algorithm>

#include "backend/cuda/check.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/elements.h"
#include "backend/cuda/ops.h"

namespace cola::ops::cuda {
namespace {

/// Logits [rows, V] of rows [first, last), the head's and its branches', with their targets.
launch::LogitRows make_logits(Context& context, ConstMatrixView hidden, WeightView head,
                              std::span<const HeadBranch> branches, const LogitTransform& transform,
                              std::int64_t first, std::int64_t last, const std::int32_t* targets) {
  const MatrixView logits = context.scratch("cuda logits", DType::f32, last - first, head.plain.rows);
  cuda::linear_forward(context, hidden.row_range(first, last), head, {}, {}, logits);
  for (const HeadBranch& branch : branches) {
    const LoraForward lora = {branch.a, branch.b, branch.scale, branch.u.row_range(first, last), logits};
    cuda::lora_forward(context, branch.input.row_range(first, last), {&lora, 1});
  }
  return {logits.rows,
          logits.cols,
          rows_of<float>(ConstMatrixView(logits)),
          targets + first,
          {transform.scale, transform.soft_cap}};
}

}  // namespace

void transform_logits(Context& context, const LogitTransform& transform, MatrixView logits) {
  require(launch::transform_logits(backend_of(context).queue(), {transform.scale, transform.soft_cap},
                                   logits.rows, logits.cols, rows_of<float>(logits)),
          "transform_logits");
}

void cross_entropy_forward(Context& context, ConstMatrixView hidden, WeightView head,
                           std::span<const std::int32_t> targets, std::span<float> nll,
                           std::span<std::uint8_t> correct, std::span<const HeadBranch> branches,
                           const LogitTransform& transform) {
  CudaBackend& backend = backend_of(context);
  const std::int32_t* on_device = backend.host_arrays().on_device(targets);
  const std::int64_t step =
      logits_chunk_rows(backend.logits_chunk_bytes(hidden.dtype), hidden.rows, head.plain.rows);
  for (std::int64_t first = 0; first < hidden.rows; first += step) {
    const std::int64_t last = std::min(first + step, hidden.rows);
    const auto work = make_logits(context, hidden, head, branches, transform, first, last, on_device);
    require(launch::cross_entropy_forward(backend.queue(), work, nll.data() + first,
                                          correct.empty() ? nullptr : correct.data() + first),
            "cross_entropy_forward");
  }
}

void cross_entropy_forward_backward(Context& context, ConstMatrixView hidden, WeightView head,
                                    std::span<const std::int32_t> targets, std::span<const float> weights,
                                    std::span<float> nll, MatrixView dhidden, MatrixView dhead,
                                    std::span<const HeadBranch> branches, const LogitTransform& transform) {
  CudaBackend& backend = backend_of(context);
  const std::int32_t* targets_on_device = backend.host_arrays().on_device(targets);
  const float* weights_on_device = backend.host_arrays().on_device(weights);
  const std::int64_t step =
      logits_chunk_rows(backend.logits_chunk_bytes(hidden.dtype), hidden.rows, head.plain.rows);
  for (std::int64_t first = 0; first < hidden.rows; first += step) {
    const std::int64_t last = std::min(first + step, hidden.rows);
    const auto work = make_logits(context, hidden, head, branches, transform, first, last, targets_on_device);
    // f32: in the logits' own memory; bf16: beside it.
    const MatrixView gradient = context.scratch(hidden.dtype == DType::f32 ? "cuda logits" : "cuda dlogits",
                                                hidden.dtype, last - first, head.plain.rows);
    with_element_type(hidden.dtype, "cross_entropy_forward_backward", [&]<class T>(T) {
      require(launch::cross_entropy_gradient<T>(backend.queue(), work, weights_on_device + first,
                                                nll.data() + first, rows_of<T>(gradient)),
              "cross_entropy_forward_backward");
    });
    cuda::linear_backward_input(context, gradient, head, dhidden.row_range(first, last), Write::replace);
    if (!dhead.empty()) cuda::linear_backward_weight(context, gradient, hidden.row_range(first, last), dhead);
    for (const HeadBranch& branch : branches) {
      const LoraBackwardB lora = {gradient,     branch.u.row_range(first, last),  branch.b,
                                  branch.scale, branch.du.row_range(first, last), branch.db};
      cuda::lora_backward_b(context, {&lora, 1});
    }
  }
}

}  // namespace cola::ops::cuda
