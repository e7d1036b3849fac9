#include "backend/cross_entropy.h"

#include <algorithm>

#include "backend/backend.h"
#include "backend/checks.h"
#include "backend/profile.h"

namespace cola::ops {
namespace {

void check_transform(const LogitTransform& transform) {
  check(transform.soft_cap >= 0.0F, "logits", "a soft cap is negative");
}

void check_operands(ConstMatrixView hidden, ConstMatrixView head, std::span<const std::int32_t> targets,
                    std::span<const float> nll, std::span<const HeadBranch> branches) {
  check_shape(head, head.rows, hidden.cols, "cross_entropy", "head");
  check(targets.size() == static_cast<std::size_t>(hidden.rows), "cross_entropy", "targets must be [L]");
  check(nll.size() == targets.size(), "cross_entropy", "nll must be [L]");
  for (const HeadBranch& branch : branches) {
    check_shape(branch.input, hidden.rows, hidden.cols, "cross_entropy", "a branch's input");
    check_shape(branch.a, branch.a.rows, hidden.cols, "cross_entropy", "a branch's A");
    check_shape(branch.b, head.rows, branch.a.rows, "cross_entropy", "a branch's B");
    check_shape(branch.u, hidden.rows, branch.a.rows, "cross_entropy", "a branch's u");
  }
  const bool valid = std::all_of(targets.begin(), targets.end(),
                                 [&](std::int32_t target) { return target >= 0 && target < head.rows; });
  check(valid, "cross_entropy", "a target is outside the vocabulary");
}

}  // namespace

void transform_logits(Context& context, const LogitTransform& transform, MatrixView logits) {
  if (transform == LogitTransform{}) return;
  const ProfileScope scope(context, "transform_logits", bytes_of({logits, logits}));
  check(logits.dtype == DType::f32, "transform_logits", "logits must be f32");
  check_transform(transform);
  context.backend().ops().transform_logits(context, transform, logits);
}

void cross_entropy_forward(Context& context, ConstMatrixView hidden, WeightView head,
                           std::span<const std::int32_t> targets, std::span<float> nll,
                           std::span<std::uint8_t> correct, std::span<const HeadBranch> branches,
                           const LogitTransform& transform) {
  const ProfileScope scope(context, "cross_entropy_forward", bytes_of({hidden, head.plain}));
  check_operands(hidden, head.plain, targets, nll, branches);
  check(correct.empty() || correct.size() == targets.size(), "cross_entropy", "correct must be [L] or empty");
  check_transform(transform);
  if (hidden.rows == 0) return;
  context.backend().ops().cross_entropy_forward(context, hidden, head, targets, nll, correct, branches,
                                                transform);
}

void cross_entropy_forward_backward(Context& context, ConstMatrixView hidden, WeightView head,
                                    std::span<const std::int32_t> targets, std::span<const float> weights,
                                    std::span<float> nll, MatrixView dhidden, MatrixView dhead,
                                    std::span<const HeadBranch> branches, const LogitTransform& transform) {
  const ProfileScope scope(context, "cross_entropy_forward_backward",
                           bytes_of({hidden, head.plain, dhidden, dhead}));
  check_operands(hidden, head.plain, targets, nll, branches);
  check(weights.size() == targets.size(), "cross_entropy", "weights must be [L]");
  check_shape(dhidden, hidden.rows, hidden.cols, "cross_entropy", "dhidden");
  for (const HeadBranch& branch : branches)
    check_shape(branch.du, hidden.rows, branch.a.rows, "cross_entropy", "a branch's du");
  check_transform(transform);
  if (hidden.rows == 0) return;
  context.backend().ops().cross_entropy_forward_backward(context, hidden, head, targets, weights, nll,
                                                         dhidden, dhead, branches, transform);
}

}  // namespace cola::ops
