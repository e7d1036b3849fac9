#include "model/language_model_head.h"

#include <gtest/gtest.h>

#include <vector>

#include "backend/ref/cross_entropy.h"
#include "backend/ref/lora.h"
#include "support/near.h"
#include "support/tensors.h"

namespace cola {
namespace {

using test::is_near;
using test::numbers;
using test::random_matrix;

TEST(LanguageModelHead, LossGradientAndLogitsAreOfTransformedLogits) {
  const auto weight = random_matrix(DType::f32, 20, 8, 1);
  const auto x = random_matrix(DType::f32, 3, 8, 2);
  const Matrix a = Matrix::copy_of(random_matrix(DType::f32, 2, 8, 3).view());
  const Matrix b = Matrix::copy_of(random_matrix(DType::f32, 20, 2, 4).view());
  const std::vector<std::int32_t> targets = {19, 0, 7};
  const std::vector<float> weights = {0.5F, -1.0F, 2.0F};
  Parameter parameter;
  parameter.value = weight.view();
  const ops::LogitTransform transform = {.scale = 0.5F, .soft_cap = 2.0F};
  LanguageModelHead head("lm_head", 0, parameter, transform);
  LowRankBranch branch;
  branch.a = &a;
  branch.b = &b;
  branch.scale = 1.5F;
  head.linear().branches.push_back(branch);

  auto raw = ref::linear_forward(numbers(x.view()), numbers(weight.view()), {}, 3, 20, 8);
  const auto added =
      ref::lora_forward({3, 8, 20, 2}, numbers(x.view()), numbers(a.view()), numbers(b.view()), 1.5).added_y;
  for (std::size_t i = 0; i < raw.size(); ++i) raw[i] += added[i];
  const auto expected = ref::transform_logits(transform, raw);
  const auto expected_nll = ref::negative_log_likelihoods(expected, targets);
  const auto draw = ref::transform_logits_backward(
      transform, ref::logit_gradient(expected, targets, numbers(weights)), expected);
  auto merged = numbers(weight.view());  // of which the branch is a part
  for (std::size_t row = 0; row < 20; ++row) {
    for (std::size_t col = 0; col < 8; ++col) {
      for (std::size_t r = 0; r < 2; ++r)
        merged[row * 8 + col] += 1.5 * numbers(b.view())[row * 2 + r] * numbers(a.view())[r * 8 + col];
    }
  }

  ops::Context context;
  const RaggedBatch batch;
  const StepState step = {context, batch};
  test::TestMatrix logits(DType::f32, 3, 20);
  test::TestMatrix dx(DType::f32, 3, 8);
  std::vector<float> nll(3);
  head.logits(step, x.view(), logits.view());
  EXPECT_TRUE(is_near(logits.view(), expected, {1e-5, 1e-5, 1e-11}));
  head.loss(step, x.view(), targets, nll, {});
  EXPECT_TRUE(is_near(std::span<const float>(nll), expected_nll, {1e-5, 1e-5, 1e-11}));
  head.loss_and_backward(step, x.view(), targets, weights, nll, dx.view());
  EXPECT_TRUE(is_near(std::span<const float>(nll), expected_nll, {1e-5, 1e-5, 1e-11}));
  EXPECT_TRUE(is_near(dx.view(), ref::linear_backward_input(draw, merged, 3, 20, 8), {1e-5, 1e-5, 1e-10}));
}

}  // namespace
}  // namespace cola
