#include "model/language_model_head.h"

#include <string>

namespace cola {

std::vector<ops::HeadBranch> LanguageModelHead::branches(const StepState& step, ConstMatrixView x) const {
  std::vector<ops::HeadBranch> all;
  for (const auto& branch : linear_.branches) {
    const std::string number = std::to_string(all.size());
    const std::int64_t rank = branch.a->rows();
    all.push_back({linear_.branch_input(step, branch, x), branch.a->view(), branch.b->view(), branch.scale,
                   step.context.scratch("head.u." + number, DType::f32, x.rows, rank),
                   step.context.scratch("head.du." + number, DType::f32, x.rows, rank),
                   branch.b_gradient != nullptr ? branch.b_gradient->view() : MatrixView{}});
  }
  return all;
}

void LanguageModelHead::loss(const StepState& step, ConstMatrixView x, std::span<const std::int32_t> targets,
                             std::span<float> nll, std::span<std::uint8_t> correct) const {
  ops::cross_entropy_forward(step.context, x, linear_.weight().view(), targets, nll, correct,
                             branches(step, x), transform_);
}

void LanguageModelHead::loss_and_backward(const StepState& step, ConstMatrixView x,
                                          std::span<const std::int32_t> targets,
                                          std::span<const float> weights, std::span<float> nll,
                                          MatrixView dx) const {
  const auto low_rank = branches(step, x);
  ops::cross_entropy_forward_backward(step.context, x, linear_.weight().view(), targets, weights, nll, dx,
                                      linear_.weight().parameter().gradient(), low_rank, transform_);
  std::vector<BranchGradient> gradients;
  for (std::size_t i = 0; i < low_rank.size(); ++i)
    gradients.push_back({&linear_, &linear_.branches[i], low_rank[i].du});
  backward_a_together(step, x, gradients, dx);
}

void LanguageModelHead::logits(const StepState& step, ConstMatrixView x, MatrixView logits) const {
  LinearActivations kept;
  linear_.forward(step, x, {}, logits, kept);
  ops::transform_logits(step.context, transform_, logits);
}

}  // namespace cola
