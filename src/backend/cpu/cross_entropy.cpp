#include <algorithm>
#include <cmath>

#include "backend/backend.h"
#include "backend/cpu/kernels/cross_entropy.h"
#include "backend/cpu/ops.h"
#include "backend/cpu_isa.h"
#include "core/parallel.h"

namespace cola::ops::cpu {
namespace {

float negative_log_likelihood(const kernels::LogitSummary& summary, float target_logit) {
  return static_cast<float>(static_cast<double>(summary.largest) - static_cast<double>(target_logit) +
                            std::log1p(summary.others));
}

/// Where the gradient of a chunk of logits is made, weight (softmax - onehot): row by row in their memory.
MatrixView gradient_of(MatrixView logits, DType dtype) {
  const std::int64_t stride = logits.stride * bytes_of(DType::f32, 1) / bytes_of(dtype, 1);
  return {logits.data, dtype, logits.rows, logits.cols, stride};
}

void transform_row(const LogitTransform& transform, MatrixView logits, std::int64_t row) {
  if (transform == LogitTransform{}) return;
  kernels::cross_entropy_kernels(cpu_isa()).transform(logits.cols, transform.scale, transform.soft_cap,
                                                      logits.as<float>() + row * logits.stride);
}

/// The derivative of a transformed logit.
double slope_of(const LogitTransform& transform, float logit) {
  if (transform.soft_cap == 0.0F) return static_cast<double>(transform.scale);
  const double ratio = static_cast<double>(logit) / static_cast<double>(transform.soft_cap);
  return static_cast<double>(transform.scale) * (1.0 - ratio) * (1.0 + ratio);
}

void write_gradient_row(const LogitTransform& transform, MatrixView logits, std::int64_t row,
                        const kernels::LogitSummary& summary, std::int32_t target, float nll, float weight,
                        MatrixView gradient) {
  const kernels::CrossEntropyKernels& kernel = kernels::cross_entropy_kernels(cpu_isa());
  const float* source = logits.as<float>() + row * logits.stride;
  const auto factor = static_cast<float>(static_cast<double>(weight) * static_cast<double>(transform.scale) /
                                         (1.0 + summary.others));
  // softmax - 1 = exp(-nll) - 1, without cancellation for a likely target.
  const auto at_target =
      static_cast<float>(static_cast<double>(weight) * slope_of(transform, source[target]) *
                         std::expm1(-static_cast<double>(nll)));
  const std::int64_t begin = row * gradient.stride;
  if (gradient.dtype == DType::bf16) {
    kernel.softmax_bf16(logits.cols, source, summary.largest, factor, transform.soft_cap,
                        static_cast<std::uint16_t*>(gradient.data) + begin);
    gradient.as<BFloat16>()[begin + target] = BFloat16(at_target);
  } else {
    kernel.softmax_f32(logits.cols, source, summary.largest, factor, transform.soft_cap,
                       gradient.as<float>() + begin);
    gradient.as<float>()[begin + target] = at_target;
  }
}

/// Logits [rows, V] of rows [first, first + rows): the head's and its branches'.
void make_logits(Context& context, ConstMatrixView hidden, WeightView head,
                 std::span<const HeadBranch> branches, std::int64_t first, MatrixView logits) {
  const std::int64_t last = first + logits.rows;
  cpu::linear_forward(context, hidden.row_range(first, last), head, {}, {}, logits);
  for (const auto& branch : branches) {
    const LoraForward lora = {branch.a, branch.b, branch.scale, branch.u.row_range(first, last), logits};
    cpu::lora_forward(context, branch.input.row_range(first, last), {&lora, 1});
  }
}

}  // namespace

void transform_logits(Context& /*context*/, const LogitTransform& transform, MatrixView logits) {
  parallel_for(logits.rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) transform_row(transform, logits, row);
  });
}

void cross_entropy_forward(Context& context, ConstMatrixView hidden, WeightView head,
                           std::span<const std::int32_t> targets, std::span<float> nll,
                           std::span<std::uint8_t> correct, std::span<const HeadBranch> branches,
                           const LogitTransform& transform) {
  const std::int64_t step =
      logits_chunk_rows(context.backend().logits_chunk_bytes(hidden.dtype), hidden.rows, head.plain.rows);
  for (std::int64_t first = 0; first < hidden.rows; first += step) {
    const std::int64_t rows = std::min(step, hidden.rows - first);
    const MatrixView logits = context.scratch("cross_entropy logits", DType::f32, rows, head.plain.rows);
    make_logits(context, hidden, head, branches, first, logits);
    parallel_for(rows, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        transform_row(transform, logits, row);
        const float* values = logits.as<float>() + row * logits.stride;
        const kernels::LogitSummary summary =
            kernels::cross_entropy_kernels(cpu_isa()).summarise(logits.cols, values);
        const auto i = static_cast<std::size_t>(first + row);
        nll[i] = negative_log_likelihood(summary, values[targets[i]]);
        if (!correct.empty()) correct[i] = summary.first_largest == targets[i] ? 1 : 0;
      }
    });
  }
}

void cross_entropy_forward_backward(Context& context, ConstMatrixView hidden, WeightView head,
                                    std::span<const std::int32_t> targets, std::span<const float> weights,
                                    std::span<float> nll, MatrixView dhidden, MatrixView dhead,
                                    std::span<const HeadBranch> branches, const LogitTransform& transform) {
  const std::int64_t step =
      logits_chunk_rows(context.backend().logits_chunk_bytes(hidden.dtype), hidden.rows, head.plain.rows);
  for (std::int64_t first = 0; first < hidden.rows; first += step) {
    const std::int64_t last = std::min(first + step, hidden.rows);
    const ConstMatrixView chunk = hidden.row_range(first, last);
    const MatrixView logits =
        context.scratch("cross_entropy logits", DType::f32, chunk.rows, head.plain.rows);
    make_logits(context, hidden, head, branches, first, logits);
    const MatrixView gradient = gradient_of(logits, hidden.dtype);
    parallel_for(chunk.rows, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        transform_row(transform, logits, row);
        const float* values = logits.as<float>() + row * logits.stride;
        const kernels::LogitSummary summary =
            kernels::cross_entropy_kernels(cpu_isa()).summarise(logits.cols, values);
        const auto i = static_cast<std::size_t>(first + row);
        nll[i] = negative_log_likelihood(summary, values[targets[i]]);
        write_gradient_row(transform, logits, row, summary, targets[i], nll[i], weights[i], gradient);
      }
    });
    cpu::linear_backward_input(context, gradient, head, dhidden.row_range(first, last), Write::replace);
    if (!dhead.empty()) cpu::linear_backward_weight(context, gradient, chunk, dhead);
    for (const auto& branch : branches) {
      const LoraBackwardB lora = {gradient,     branch.u.row_range(first, last),  branch.b,
                                  branch.scale, branch.du.row_range(first, last), branch.db};
      cpu::lora_backward_b(context, {&lora, 1});
    }
  }
}

}  // namespace cola::ops::cpu
