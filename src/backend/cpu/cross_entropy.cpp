#include "backend/cross_entropy.h"

#include <algorithm>
#include <cmath>

#include "backend/cpu/checks.h"
#include "backend/cpu/kernels/cross_entropy.h"
#include "backend/cpu_isa.h"
#include "backend/linear.h"
#include "backend/lora.h"
#include "backend/profile.h"
#include "core/parallel.h"

namespace cola::ops {
namespace {

void check_operands(ConstMatrixView hidden, const WeightView& head, std::span<const std::int32_t> targets,
                    std::span<const float> nll) {
  check_shape(head.plain, head.plain.rows, hidden.cols, "cross_entropy", "head");
  check(targets.size() == static_cast<std::size_t>(hidden.rows), "cross_entropy", "targets must be [L]");
  check(nll.size() == targets.size(), "cross_entropy", "nll must be [L]");
  const bool valid = std::all_of(targets.begin(), targets.end(), [&](std::int32_t target) {
    return target >= 0 && target < head.plain.rows;
  });
  check(valid, "cross_entropy", "a target is outside the vocabulary");
}

/// Rows of logits made at a time: at most 16 MiB of them, but enough for a product at full speed; even
/// chunks.
std::int64_t chunk_rows(std::int64_t rows, std::int64_t vocabulary) {
  constexpr std::int64_t chunk_bytes = std::int64_t{16} << 20;
  const std::int64_t most =
      std::max<std::int64_t>(64, chunk_bytes / (4 * std::max<std::int64_t>(vocabulary, 1)));
  const std::int64_t chunks = (rows + most - 1) / most;
  return (rows + chunks - 1) / chunks;
}

float negative_log_likelihood(const kernels::LogitSummary& summary, float target_logit) {
  return static_cast<float>(static_cast<double>(summary.largest) - static_cast<double>(target_logit) +
                            std::log1p(summary.others));
}

/// A chunk of logits, and its rows' gradient weight (softmax - onehot) in the same memory (f32) or beside it
/// (bf16).
MatrixView gradient_of(Context& context, MatrixView logits, DType dtype) {
  if (dtype == DType::f32) return logits;
  return context.scratch("cross_entropy dlogits", dtype, logits.rows, logits.cols);
}

void write_gradient_row(MatrixView logits, std::int64_t row, const kernels::LogitSummary& summary,
                        std::int32_t target, float nll, float weight, MatrixView gradient) {
  const kernels::CrossEntropyKernels& kernel = kernels::cross_entropy_kernels(cpu_isa());
  const float* source = logits.as<float>() + row * logits.stride;
  const auto factor = static_cast<float>(static_cast<double>(weight) / (1.0 + summary.others));
  // softmax - 1 = exp(-nll) - 1, without cancellation for a likely target.
  const auto at_target =
      static_cast<float>(static_cast<double>(weight) * std::expm1(-static_cast<double>(nll)));
  const std::int64_t begin = row * gradient.stride;
  if (gradient.dtype == DType::bf16) {
    kernel.softmax_bf16(logits.cols, source, summary.largest, factor,
                        static_cast<std::uint16_t*>(gradient.data) + begin);
    gradient.as<BFloat16>()[begin + target] = BFloat16(at_target);
  } else {
    kernel.softmax_f32(logits.cols, source, summary.largest, factor, gradient.as<float>() + begin);
    gradient.as<float>()[begin + target] = at_target;
  }
}

/// Logits [rows, V] of rows [first, first + rows): the head's and its branches'.
void make_logits(Context& context, ConstMatrixView hidden, WeightView head,
                 std::span<const HeadBranch> branches, std::int64_t first, MatrixView logits) {
  const std::int64_t last = first + logits.rows;
  linear_forward(context, hidden.row_range(first, last), head, {}, logits);
  for (const auto& branch : branches) {
    check(branch.input.rows == hidden.rows && branch.u.rows == hidden.rows, "cross_entropy",
          "a branch's input and u must have L rows");
    lora_forward(context, branch.input.row_range(first, last), branch.a, branch.b, branch.scale,
                 branch.u.row_range(first, last), logits);
  }
}

}  // namespace

void cross_entropy_forward(Context& context, ConstMatrixView hidden, WeightView head,
                           std::span<const std::int32_t> targets, std::span<float> nll,
                           std::span<std::uint8_t> correct, std::span<const HeadBranch> branches) {
  const ProfileScope scope(context, "cross_entropy_forward", bytes_of({hidden, head.plain}));
  check_operands(hidden, head, targets, nll);
  check(correct.empty() || correct.size() == targets.size(), "cross_entropy", "correct must be [L] or empty");
  if (hidden.rows == 0) return;
  const std::int64_t step = chunk_rows(hidden.rows, head.plain.rows);
  for (std::int64_t first = 0; first < hidden.rows; first += step) {
    const std::int64_t rows = std::min(step, hidden.rows - first);
    const MatrixView logits = context.scratch("cross_entropy logits", DType::f32, rows, head.plain.rows);
    make_logits(context, hidden, head, branches, first, logits);
    parallel_for(rows, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
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
                                    std::span<const HeadBranch> branches) {
  const ProfileScope scope(context, "cross_entropy_forward_backward",
                           bytes_of({hidden, head.plain, dhidden, dhead}));
  check_operands(hidden, head, targets, nll);
  check(weights.size() == targets.size(), "cross_entropy", "weights must be [L]");
  check_shape(dhidden, hidden.rows, hidden.cols, "cross_entropy", "dhidden");
  if (hidden.rows == 0) return;
  const std::int64_t step = chunk_rows(hidden.rows, head.plain.rows);
  for (std::int64_t first = 0; first < hidden.rows; first += step) {
    const std::int64_t last = std::min(first + step, hidden.rows);
    const ConstMatrixView chunk = hidden.row_range(first, last);
    const MatrixView logits =
        context.scratch("cross_entropy logits", DType::f32, chunk.rows, head.plain.rows);
    make_logits(context, hidden, head, branches, first, logits);
    const MatrixView gradient = gradient_of(context, logits, hidden.dtype);
    parallel_for(chunk.rows, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const float* values = logits.as<float>() + row * logits.stride;
        const kernels::LogitSummary summary =
            kernels::cross_entropy_kernels(cpu_isa()).summarise(logits.cols, values);
        const auto i = static_cast<std::size_t>(first + row);
        nll[i] = negative_log_likelihood(summary, values[targets[i]]);
        write_gradient_row(logits, row, summary, targets[i], nll[i], weights[i], gradient);
      }
    });
    linear_backward_input(context, gradient, head, dhidden.row_range(first, last), Write::replace);
    if (!dhead.empty()) linear_backward_weight(context, gradient, chunk, dhead);
    for (const auto& branch : branches) {
      check(branch.du.rows == hidden.rows, "cross_entropy", "a branch's du must have L rows");
      lora_backward_b(context, gradient, branch.u.row_range(first, last), branch.b, branch.scale,
                      branch.du.row_range(first, last), branch.db);
    }
  }
}

}  // namespace cola::ops
