#include "backend/cross_entropy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>

#include "backend/cpu/kernels/cross_entropy.h"
#include "backend/ref/cross_entropy.h"
#include "backend/ref/lora.h"
#include "support/near.h"
#include "support/tensors.h"

namespace cola::ops {
namespace {

using test::is_near;
using test::numbers;
using test::random_matrix;
using test::TestMatrix;
using test::Tolerance;

struct Case {
  std::int64_t rows, hidden, vocabulary, padding;
};
std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << "L=" << c.rows << " D=" << c.hidden << " V=" << c.vocabulary << " padding=" << c.padding;
}
// The last makes more than one chunk of rows (64 MiB of logits).
const std::vector<Case> cases = {{1, 1, 1, 0},      {1, 17, 3, 2},     {3, 64, 129, 0},   {17, 3, 64, 1},
                                 {64, 33, 1100, 0}, {129, 64, 517, 3}, {130, 4, 66000, 0}};

ref::CrossEntropySizes sizes(const Case& c) {
  return {static_cast<std::size_t>(c.rows), static_cast<std::size_t>(c.hidden),
          static_cast<std::size_t>(c.vocabulary)};
}

std::vector<std::int32_t> some_targets(const Case& c) {
  RandomStream stream(7, RandomPurpose::benchmark);
  std::vector<std::int32_t> targets;
  for (std::int64_t i = 0; i < c.rows; ++i) {
    targets.push_back(static_cast<std::int32_t>(stream.next_below(static_cast<std::uint64_t>(c.vocabulary))));
  }
  return targets;
}

/// Of both signs, one of them 0.
std::vector<float> some_weights(const Case& c) {
  std::vector<float> weights = test::random_floats(c.rows, 8, 0.25);
  weights[weights.size() / 2] = 0.0F;
  return weights;
}

class CrossEntropy : public testing::TestWithParam<std::tuple<DType, Case>> {};

// The operands are exact, logits and sums f32: nll is good to a few 1e-6. dlogits in bf16 carry 2^-9 each,
// which average out in dhidden (a sum over the vocabulary), not in its rounding.
TEST_P(CrossEntropy, AgreesWithTheReference) {
  const auto [dtype, c] = GetParam();
  Context context;
  const TestMatrix hidden = random_matrix(dtype, c.rows, c.hidden, 1, 1.0, c.padding);
  const TestMatrix head = random_matrix(dtype, c.vocabulary, c.hidden, 2, 0.5, c.padding);
  const std::vector<std::int32_t> targets = some_targets(c);
  const std::vector<float> weights = some_weights(c);
  std::vector<float> nll(targets.size());
  std::vector<float> nll_again(targets.size());
  std::vector<std::uint8_t> correct(targets.size());
  TestMatrix dhidden(dtype, c.rows, c.hidden, c.padding);
  TestMatrix dhead = random_matrix(DType::f32, c.vocabulary, c.hidden, 3, 1.0, c.padding);
  const auto expected_nll =
      ref::cross_entropy_forward(sizes(c), numbers(hidden.view()), numbers(head.view()), targets);
  auto expected = ref::cross_entropy_backward(sizes(c), numbers(hidden.view()), numbers(head.view()), targets,
                                              numbers(weights));
  const auto dhead_before = numbers(dhead.view());
  for (std::size_t i = 0; i < expected.dhead.size(); ++i) expected.dhead[i] += dhead_before[i];

  cross_entropy_forward(context, hidden.view(), head.view(), targets, nll, correct);
  EXPECT_TRUE(is_near(std::span<const float>(nll), expected_nll,
                      {.absolute = 5e-6, .relative = 1e-6, .cosine = 1e-10}))
      << c;
  cross_entropy_forward_backward(context, hidden.view(), head.view(), targets, weights, nll_again,
                                 dhidden.view(), dhead.view());
  EXPECT_EQ(nll, nll_again);
  const bool bf16 = dtype == DType::bf16;
  const Tolerance gradient = bf16 ? Tolerance{.absolute = 4e-3, .relative = 0x1p-8, .cosine = 1e-4}
                                  : Tolerance{.absolute = 3e-6, .relative = 1e-6, .cosine = 1e-10};
  EXPECT_TRUE(is_near(dhidden.view(), expected.dhidden, gradient)) << c;
  EXPECT_TRUE(is_near(dhead.view(), expected.dhead,
                      bf16 ? Tolerance{.absolute = 8e-3, .relative = 1e-6, .cosine = 1e-6}
                           : Tolerance{.absolute = 5e-6, .relative = 1e-6, .cosine = 1e-10}))
      << c;
  EXPECT_TRUE(dhidden.padding_intact() && dhead.padding_intact());

  TestMatrix alone(dtype, c.rows, c.hidden, c.padding);
  cross_entropy_forward_backward(context, hidden.view(), head.view(), targets, weights, nll_again,
                                 alone.view(), {});
  EXPECT_EQ(numbers(alone.view()), numbers(dhidden.view()));
}

/// A branch of rank r with an input of its own (as after dropout), its reference and room for its gradients.
struct BranchCase {
  BranchCase(DType dtype, const Case& c, std::int64_t rank, float scale_, std::uint64_t stream)
      : input(random_matrix(dtype, c.rows, c.hidden, stream, 1.0, c.padding)),
        a(random_matrix(DType::f32, rank, c.hidden, stream + 1, 0.25, c.padding)),
        b(random_matrix(DType::f32, c.vocabulary, rank, stream + 2, 0.25, c.padding)),
        u(DType::f32, c.rows, rank, c.padding),
        du(DType::f32, c.rows, rank, c.padding),
        db(random_matrix(DType::f32, c.vocabulary, rank, stream + 3, 1.0, c.padding)),
        scale(scale_),
        sizes{static_cast<std::size_t>(c.rows), static_cast<std::size_t>(c.hidden),
              static_cast<std::size_t>(c.vocabulary), static_cast<std::size_t>(rank)} {}

  HeadBranch branch(bool live) {
    return {input.view(),
            a.view(),
            b.view(),
            static_cast<float>(scale),
            u.view(),
            du.view(),
            live ? db.view() : MatrixView{}};
  }
  [[nodiscard]] ref::LoraForward<double> forward() const {
    return ref::lora_forward(sizes, numbers(input.view()), numbers(a.view()), numbers(b.view()), scale);
  }
  [[nodiscard]] ref::LoraBackward<double> backward(const std::vector<double>& dlogits) const {
    return ref::lora_backward(sizes, dlogits, numbers(input.view()), forward().u, numbers(a.view()),
                              numbers(b.view()), scale);
  }

  TestMatrix input, a, b, u, du, db;
  double scale;
  ref::LoraSizes sizes;
};

// The tolerances of the head alone: a branch adds a few terms of f32 to each logit.
TEST_P(CrossEntropy, WithBranchesAgreesWithTheReference) {
  const auto [dtype, c] = GetParam();
  Context context;
  const TestMatrix hidden = random_matrix(dtype, c.rows, c.hidden, 1, 1.0, c.padding);
  const TestMatrix head = random_matrix(dtype, c.vocabulary, c.hidden, 2, 0.5, c.padding);
  const std::vector<std::int32_t> targets = some_targets(c);
  const std::vector<float> weights = some_weights(c);
  BranchCase tied(dtype, c, 2, 1.5F, 20);
  BranchCase live(dtype, c, 3, 0.75F, 30);
  const auto size = sizes(c);
  auto logits = ref::linear_forward(numbers(hidden.view()), numbers(head.view()), {}, size.rows,
                                    size.vocabulary, size.hidden);
  for (const BranchCase* branch : {&tied, &live}) {
    const auto added = branch->forward().added_y;
    for (std::size_t i = 0; i < logits.size(); ++i) logits[i] += added[i];
  }
  const auto dlogits = ref::logit_gradient(logits, targets, numbers(weights));
  auto expected_db = live.backward(dlogits).db;
  const auto db_before = numbers(live.db.view());
  for (std::size_t i = 0; i < expected_db.size(); ++i) expected_db[i] += db_before[i];
  const auto untouched = numbers(tied.db.view());

  const std::vector<HeadBranch> branches = {tied.branch(false), live.branch(true)};
  std::vector<float> nll(targets.size());
  std::vector<float> nll_again(targets.size());
  std::vector<std::uint8_t> correct(targets.size());
  TestMatrix dhidden(dtype, c.rows, c.hidden, c.padding);
  cross_entropy_forward(context, hidden.view(), head.view(), targets, nll, correct, branches);
  EXPECT_TRUE(is_near(std::span<const float>(nll), ref::negative_log_likelihoods(logits, targets),
                      {.absolute = 5e-6, .relative = 1e-6, .cosine = 1e-10}))
      << c;
  cross_entropy_forward_backward(context, hidden.view(), head.view(), targets, weights, nll_again,
                                 dhidden.view(), {}, branches);
  EXPECT_EQ(nll, nll_again);
  const bool bf16 = dtype == DType::bf16;
  const Tolerance gradient = bf16 ? Tolerance{.absolute = 4e-3, .relative = 0x1p-8, .cosine = 1e-4}
                                  : Tolerance{.absolute = 3e-6, .relative = 1e-6, .cosine = 1e-10};
  EXPECT_TRUE(is_near(
      dhidden.view(),
      ref::linear_backward_input(dlogits, numbers(head.view()), size.rows, size.vocabulary, size.hidden),
      gradient))
      << c;
  EXPECT_TRUE(is_near(tied.du.view(), tied.backward(dlogits).du, gradient)) << c;
  EXPECT_TRUE(is_near(live.du.view(), live.backward(dlogits).du, gradient)) << c;
  EXPECT_TRUE(is_near(live.db.view(), expected_db,
                      bf16 ? Tolerance{.absolute = 8e-3, .relative = 1e-6, .cosine = 1e-6}
                           : Tolerance{.absolute = 5e-6, .relative = 1e-6, .cosine = 1e-10}))
      << c;
  EXPECT_EQ(numbers(tied.db.view()), untouched);
  for (const BranchCase* branch : {&tied, &live})
    EXPECT_TRUE(branch->u.padding_intact() && branch->du.padding_intact() && branch->db.padding_intact());
}

// Granite's, Gemma 2's, and both.
const LogitTransform transforms[] = {
    {.scale = 0.25F, .soft_cap = 0.0F}, {.scale = 1.0F, .soft_cap = 3.0F}, {.scale = 0.5F, .soft_cap = 5.0F}};

// The tolerances of the head alone: transformed logits are smaller, and their slope is at most 1.
TEST_P(CrossEntropy, OfTransformedLogitsAgreesWithTheReference) {
  const auto [dtype, c] = GetParam();
  Context context;
  const TestMatrix hidden = random_matrix(dtype, c.rows, c.hidden, 1, 1.0, c.padding);
  const TestMatrix head = random_matrix(dtype, c.vocabulary, c.hidden, 2, 0.5, c.padding);
  const std::vector<std::int32_t> targets = some_targets(c);
  const std::vector<float> weights = some_weights(c);
  const auto size = sizes(c);
  BranchCase live(dtype, c, 3, 0.75F, 30);
  auto logits = ref::linear_forward(numbers(hidden.view()), numbers(head.view()), {}, size.rows,
                                    size.vocabulary, size.hidden);
  const auto added = live.forward().added_y;
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] += added[i];
  const bool bf16 = dtype == DType::bf16;
  const Tolerance gradient = bf16 ? Tolerance{.absolute = 4e-3, .relative = 0x1p-8, .cosine = 1e-4}
                                  : Tolerance{.absolute = 3e-6, .relative = 1e-6, .cosine = 1e-10};
  for (const LogitTransform& transform : transforms) {
    if (c.vocabulary > 10000 && transform != transforms[2]) continue;
    const auto transformed = ref::transform_logits(transform, logits);
    const auto dlogits = ref::transform_logits_backward(
        transform, ref::logit_gradient(transformed, targets, numbers(weights)), transformed);
    const HeadBranch branch = live.branch(true);
    std::vector<float> nll(targets.size());
    std::vector<float> nll_again(targets.size());
    std::vector<std::uint8_t> correct(targets.size());
    TestMatrix dhidden(dtype, c.rows, c.hidden, c.padding);
    cross_entropy_forward(context, hidden.view(), head.view(), targets, nll, correct, {&branch, 1},
                          transform);
    EXPECT_TRUE(is_near(std::span<const float>(nll), ref::negative_log_likelihoods(transformed, targets),
                        {.absolute = 5e-6, .relative = 1e-6, .cosine = 1e-10}))
        << c;
    cross_entropy_forward_backward(context, hidden.view(), head.view(), targets, weights, nll_again,
                                   dhidden.view(), {}, {&branch, 1}, transform);
    EXPECT_EQ(nll, nll_again);
    EXPECT_TRUE(is_near(
        dhidden.view(),
        ref::linear_backward_input(dlogits, numbers(head.view()), size.rows, size.vocabulary, size.hidden),
        gradient))
        << c;
    EXPECT_TRUE(is_near(live.du.view(), live.backward(dlogits).du, gradient)) << c;
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, CrossEntropy,
                         testing::Combine(testing::Values(DType::f32, DType::bf16),
                                          testing::ValuesIn(cases)));

TEST(TransformLogits, AgreesWithTheReference) {
  Context context;
  for (const std::int64_t cols : {1, 5, 64, 131}) {
    for (const LogitTransform& transform : transforms) {
      TestMatrix logits = random_matrix(DType::f32, 40, cols, 1, 4.0, 3);
      const auto expected = ref::transform_logits(transform, numbers(logits.view()));
      transform_logits(context, transform, logits.view());
      EXPECT_TRUE(is_near(logits.view(), expected, {.absolute = 0.0, .relative = 5e-7, .cosine = 1e-12}));
      EXPECT_TRUE(logits.padding_intact());
    }
    TestMatrix logits = random_matrix(DType::f32, 40, cols, 1);
    const auto before = numbers(logits.view());
    transform_logits(context, {}, logits.view());
    EXPECT_EQ(numbers(logits.view()), before);
  }
  TestMatrix bf16(DType::bf16, 2, 3);
  TestMatrix f32(DType::f32, 2, 3);
  EXPECT_THROW(transform_logits(context, transforms[0], bf16.view()), std::logic_error);
  EXPECT_THROW(transform_logits(context, {.scale = 1.0F, .soft_cap = -1.0F}, f32.view()), std::logic_error);
}

TEST(CrossEntropyCorrect, TheFirstOfEqualLogitsWins) {
  Context context;
  TestMatrix hidden(DType::f32, 3, 1);
  TestMatrix head(DType::f32, 40, 1);
  for (std::int64_t row = 0; row < 3; ++row) test::set_element(hidden.view(), row, 0, 1.0);
  for (const std::int64_t row : {5, 21, 39}) test::set_element(head.view(), row, 0, 2.0);
  const std::vector<std::int32_t> targets = {5, 21, 0};
  std::vector<float> nll(3);
  std::vector<std::uint8_t> correct(3);
  cross_entropy_forward(context, hidden.view(), head.view(), targets, nll, correct);
  EXPECT_EQ(correct, (std::vector<std::uint8_t>{1, 0, 0}));
}

TEST(CrossEntropyStability, LargeLogitsStayFiniteAndLikelyTargetsKeepTheirGradient) {
  Context context;
  TestMatrix hidden(DType::f32, 2, 1);
  TestMatrix head(DType::f32, 3, 1);
  test::set_element(hidden.view(), 0, 0, 1e4);
  test::set_element(hidden.view(), 1, 0, 20.0);
  test::set_element(head.view(), 1, 0, 1.0);
  std::vector<float> nll(2);
  TestMatrix dhidden(DType::f32, 2, 1);
  cross_entropy_forward_backward(context, hidden.view(), head.view(), std::vector<std::int32_t>{0, 1},
                                 std::vector<float>{1.0F, 1.0F}, nll, dhidden.view(), {});
  EXPECT_FLOAT_EQ(nll[0], 1e4F);
  EXPECT_FLOAT_EQ(nll[1], static_cast<float>(std::log1p(2.0 * std::exp(-20.0))));
  // softmax - 1 is -4.1e-9 here: less than half an ulp of 1 in f32.
  EXPECT_NEAR(test::element(dhidden.view(), 1, 0) / -(2.0 * std::exp(-20.0)), 1.0, 1e-5);
}

TEST(CrossEntropyStability, NaNIsSeen) {
  Context context;
  TestMatrix hidden = random_matrix(DType::f32, 9, 4, 1);
  const TestMatrix head = random_matrix(DType::f32, 50, 4, 2);
  test::set_element(hidden.view(), 4, 2, std::nan(""));
  std::vector<float> nll(9);
  cross_entropy_forward(context, hidden.view(), head.view(), std::vector<std::int32_t>(9, 3), nll, {});
  for (std::size_t i = 0; i < 9; ++i) EXPECT_EQ(std::isnan(nll[i]), i == 4) << i;
}

TEST(CrossEntropyErrors, OneWeightARowIsAskedFor) {
  Context context;
  const TestMatrix hidden(DType::f32, 2, 4);
  TestMatrix dhidden(DType::f32, 2, 4);
  const TestMatrix head(DType::f32, 5, 4);
  std::vector<float> nll(2);
  EXPECT_THROW(
      cross_entropy_forward_backward(context, hidden.view(), head.view(), std::vector<std::int32_t>{0, 1},
                                     std::vector<float>{1.0F}, nll, dhidden.view(), {}),
      std::logic_error);
}

TEST(CrossEntropyErrors, TargetsOutsideTheVocabularyAreRefused) {
  Context context;
  TestMatrix hidden(DType::f32, 1, 4);
  TestMatrix head(DType::f32, 5, 4);
  std::vector<float> nll(1);
  EXPECT_THROW(
      cross_entropy_forward(context, hidden.view(), head.view(), std::vector<std::int32_t>{5}, nll, {}),
      std::logic_error);
  EXPECT_THROW(
      cross_entropy_forward(context, hidden.view(), head.view(), std::vector<std::int32_t>{-1}, nll, {}),
      std::logic_error);
}

// logit - largest, up to 64 here, is rounded to f32: 2^-24 * 64 = 4e-6 relative in its exponential.
TEST(CrossEntropyKernels, EveryInstructionSetAgreesWithTheReference) {
  for (const std::int64_t count : {1, 3, 17, 64, 129, 1024, 2500}) {
    const TestMatrix logits = random_matrix(DType::f32, 1, count, 5, 8.0);
    const auto values = numbers(logits.view());
    const auto largest =
        static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin());
    double others = -1.0;
    for (const double value : values) others += std::exp(value - values[largest]);
    const auto probabilities = ref::softmax(values, 1, values.size());
    for (const CpuIsa isa : test::runnable_isas()) {
      const kernels::CrossEntropyKernels& kernel = kernels::cross_entropy_kernels(isa);
      const kernels::LogitSummary summary = kernel.summarise(count, logits.view().as<float>());
      EXPECT_EQ(static_cast<std::size_t>(summary.first_largest), largest) << name_of(isa);
      EXPECT_EQ(static_cast<double>(summary.largest), values[largest]) << name_of(isa);
      EXPECT_NEAR(summary.others, others, 1e-6 * others + 1e-15) << name_of(isa);
      TestMatrix out(DType::f32, 1, count);
      kernel.softmax_f32(count, logits.view().as<float>(), summary.largest,
                         static_cast<float>(1.0 / (1.0 + summary.others)), 0.0F, out.view().as<float>());
      EXPECT_TRUE(is_near(out.view(), probabilities, {.absolute = 1e-30, .relative = 5e-6, .cosine = 1e-11}))
          << name_of(isa);
      TestMatrix out_bf16(DType::bf16, 1, count);
      kernel.softmax_bf16(count, logits.view().as<float>(), summary.largest,
                          static_cast<float>(1.0 / (1.0 + summary.others)), 0.0F,
                          static_cast<std::uint16_t*>(out_bf16.view().data));
      EXPECT_TRUE(
          is_near(out_bf16.view(), probabilities, {.absolute = 1e-30, .relative = 0x1p-8, .cosine = 2e-5}))
          << name_of(isa);
    }
  }
}

TEST(CrossEntropyKernels, EveryInstructionSetTransforms) {
  std::vector<float> logits;
  for (float value = 1e-6F; value < 1e4F; value *= 1.013F) logits.insert(logits.end(), {value, -value});
  logits.push_back(0.0F);
  const auto count = std::ssize(logits);
  const LogitTransform transform = {.scale = 0.5F, .soft_cap = 30.0F};
  const auto expected = ref::transform_logits(transform, numbers(std::span<const float>(logits)));
  for (const CpuIsa isa : test::runnable_isas()) {
    const kernels::CrossEntropyKernels& kernel = kernels::cross_entropy_kernels(isa);
    std::vector<float> values = logits;
    kernel.transform(count, transform.scale, transform.soft_cap, values.data());
    EXPECT_TRUE(is_near(std::span<const float>(values), expected, {.relative = 5e-7, .cosine = 1e-12}))
        << name_of(isa);
    // From the same capped logits, whose slope cancels where they are near the cap.
    std::vector<double> slopes;
    for (const double value : numbers(std::span<const float>(values)))
      slopes.push_back(0.25 * std::exp(value - 30.0) * (1.0 - value / 30.0) * (1.0 + value / 30.0));
    TestMatrix out(DType::f32, 1, count);
    kernel.softmax_f32(count, values.data(), 30.0F, 0.25F, 30.0F, out.view().as<float>());
    EXPECT_TRUE(is_near(out.view(), slopes, {.absolute = 3e-8, .relative = 5e-6, .cosine = 1e-9}))
        << name_of(isa);
    TestMatrix out_bf16(DType::bf16, 1, count);
    kernel.softmax_bf16(count, values.data(), 30.0F, 0.25F, 30.0F,
                        static_cast<std::uint16_t*>(out_bf16.view().data));
    EXPECT_TRUE(is_near(out_bf16.view(), slopes, {.absolute = 3e-8, .relative = 0x1p-8, .cosine = 1e-5}))
        << name_of(isa);
  }
}

TEST(CrossEntropyReference, TheTransformsBackwardIsItsDerivative) {
  using Complex = std::complex<double>;
  for (const LogitTransform& transform : transforms) {
    for (const double logit : {-20.0, -3.0, -0.1, 0.0, 0.7, 5.0}) {
      const auto at = ref::transform_logits<Complex>(transform, {{logit, 1e-100}});
      const auto transformed = ref::transform_logits<double>(transform, {logit});
      const double derivative = 1.5 * at[0].imag() / 1e-100;
      EXPECT_NEAR(ref::transform_logits_backward<double>(transform, {1.5}, transformed)[0], derivative,
                  1e-14 + 1e-12 * std::abs(derivative));
    }
  }
}

// The reference's own backward against the complex-step derivative of the weighted sum of nll.
TEST(CrossEntropyReference, BackwardIsTheDerivative) {
  using Complex = std::complex<double>;
  const ref::CrossEntropySizes size = {3, 4, 6};
  const auto hidden = numbers(random_matrix(DType::f32, 3, 4, 1).view());
  const auto head = numbers(random_matrix(DType::f32, 6, 4, 2).view());
  const std::vector<std::int32_t> targets = {5, 0, 2};
  const std::vector<double> weights = {0.7, -1.3, 0.2};
  const auto derivative = [&](int which, std::size_t index) {
    std::vector<Complex> inputs[2] = {{hidden.begin(), hidden.end()}, {head.begin(), head.end()}};
    inputs[which][index] += Complex(0.0, 1e-30);
    double sum = 0.0;
    const auto nll = ref::cross_entropy_forward(size, inputs[0], inputs[1], targets);
    for (std::size_t i = 0; i < nll.size(); ++i) sum += weights[i] * nll[i].imag();
    return sum / 1e-30;
  };
  const auto gradient = ref::cross_entropy_backward(size, hidden, head, targets, weights);
  for (std::size_t i = 0; i < hidden.size(); ++i) EXPECT_NEAR(gradient.dhidden[i], derivative(0, i), 1e-12);
  for (std::size_t i = 0; i < head.size(); ++i) EXPECT_NEAR(gradient.dhead[i], derivative(1, i), 1e-12);
}

}  // namespace
}  // namespace cola::ops
