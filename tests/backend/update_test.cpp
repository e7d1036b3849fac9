#include "backend/update.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "backend/cpu/kernels/update.h"
#include "backend/ref/update.h"
#include "core/parallel.h"
#include "support/near.h"
#include "support/tensors.h"

namespace cola::ops {
namespace {

using test::is_near;
using test::random_floats;

// Elements are computed in double from f32 state and rounded once: half an ulp (2^-24), and little more.
constexpr double one_rounding = 0x1p-24 * 1.01;

class Update : public testing::TestWithParam<std::int64_t> {
 protected:
  void SetUp() override {
    gradient_ = random_floats(GetParam(), 1);
    parameter_ = random_floats(GetParam(), 2);
    first_ = random_floats(GetParam(), 3, 0.1);
    second_ = random_floats(GetParam(), 4, 0.1);
    for (float& value : second_) value = value * value;
  }
  [[nodiscard]] double gradient(std::size_t i) const { return scale * static_cast<double>(gradient_[i]); }

  static constexpr double scale = 0.5;
  Context context_;
  std::vector<float> gradient_, parameter_, first_, second_;
};

TEST_P(Update, AdamWIsPyTorchs) {
  for (const int step : {1, 2, 1000}) {
    const AdamW setting = {.learning_rate = 1e-2,
                           .beta1 = 0.9,
                           .beta2 = 0.999,
                           .epsilon = 1e-8,
                           .weight_decay = 0.1,
                           .step = step};
    std::vector<double> p, m, v;
    for (std::size_t i = 0; i < gradient_.size(); ++i) {
      const auto next = ref::adamw<double>({parameter_[i], first_[i], second_[i]}, gradient(i), 1e-2, 0.9,
                                           0.999, 1e-8, 0.1, step);
      p.push_back(next.parameter);
      m.push_back(next.m);
      v.push_back(next.v);
    }
    const UpdatedTensor tensor = {gradient_, parameter_, first_, second_};
    adamw_update(context_, setting, static_cast<float>(scale), {&tensor, 1});
    EXPECT_TRUE(is_near(std::span<const float>(parameter_), p, {.relative = one_rounding}));
    EXPECT_TRUE(is_near(std::span<const float>(first_), m, {.relative = one_rounding}));
    EXPECT_TRUE(is_near(std::span<const float>(second_), v, {.relative = one_rounding}));
  }
}

TEST_P(Update, SgdIsPyTorchs) {
  std::vector<float> buffer(gradient_.size(), std::numeric_limits<float>::quiet_NaN());  // not read at step 1
  for (const int step : {1, 2, 3}) {
    std::vector<double> p, b;
    for (std::size_t i = 0; i < gradient_.size(); ++i) {
      const auto next = ref::sgd<double>({parameter_[i], buffer[i]}, gradient(i), 0.1, 0.9, 0.01, step);
      p.push_back(next.parameter);
      b.push_back(next.buffer);
    }
    const Sgd setting = {.learning_rate = 0.1, .momentum = 0.9, .weight_decay = 0.01, .step = step};
    const UpdatedTensor tensor = {gradient_, parameter_, buffer, {}};
    sgd_update(context_, setting, static_cast<float>(scale), {&tensor, 1});
    EXPECT_TRUE(is_near(std::span<const float>(parameter_), p, {.relative = one_rounding}));
    EXPECT_TRUE(is_near(std::span<const float>(buffer), b, {.relative = one_rounding}));
  }
}

TEST_P(Update, SgdWithoutMomentumNeedsNoBuffer) {
  std::vector<double> p;
  for (std::size_t i = 0; i < gradient_.size(); ++i) {
    p.push_back(ref::sgd<double>({parameter_[i], 0.0}, gradient(i), 0.1, 0.0, 0.01, 5).parameter);
  }
  const Sgd setting = {.learning_rate = 0.1, .momentum = 0.0, .weight_decay = 0.01, .step = 5};
  const UpdatedTensor tensor = {gradient_, parameter_, {}, {}};
  sgd_update(context_, setting, static_cast<float>(scale), {&tensor, 1});
  EXPECT_TRUE(is_near(std::span<const float>(parameter_), p, {.relative = one_rounding}));
}

TEST_P(Update, AdagradIsPyTorchs) {
  for (int step = 1; step <= 3; ++step) {
    std::vector<double> p, s;
    for (std::size_t i = 0; i < gradient_.size(); ++i) {
      const auto next = ref::adagrad<double>({parameter_[i], second_[i]}, gradient(i), 0.1, 1e-10, 0.01);
      p.push_back(next.parameter);
      s.push_back(next.sum);
    }
    const UpdatedTensor tensor = {gradient_, parameter_, second_, {}};
    adagrad_update(context_, {.learning_rate = 0.1, .epsilon = 1e-10, .weight_decay = 0.01},
                   static_cast<float>(scale), {&tensor, 1});
    EXPECT_TRUE(is_near(std::span<const float>(parameter_), p, {.relative = one_rounding}));
    EXPECT_TRUE(is_near(std::span<const float>(second_), s, {.relative = one_rounding}));
  }
}

TEST_P(Update, SumOfSquaresIsTheSameForAnyThreadCount) {
  double expected = 0.0;
  for (const float value : gradient_) expected += static_cast<double>(value) * static_cast<double>(value);
  const int threads = thread_count();
  set_thread_count(1);
  const double one = sum_of_squares(context_, gradient_);
  set_thread_count(5);
  const double five = sum_of_squares(context_, gradient_);
  set_thread_count(threads);
  EXPECT_EQ(one, five);
  EXPECT_NEAR(one / expected, 1.0, 1e-13);  // double sums of positive terms
  for (const CpuIsa isa : test::runnable_isas()) {
    const auto count = static_cast<std::int64_t>(gradient_.size());
    EXPECT_EQ(kernels::update_kernels(isa).sum_of_squares(count, gradient_.data()),
              kernels::update_kernels(CpuIsa::baseline).sum_of_squares(count, gradient_.data()))
        << name_of(isa);
  }
}

// 70000: more than one thread's slice and many blocks of the sum, none of them whole.
INSTANTIATE_TEST_SUITE_P(Lengths, Update, testing::Values(1, 3, 17, 64, 129, 70000));

TEST(UpdateKernels, EveryInstructionSetRoundsOnce) {
  constexpr std::int64_t count = 77;
  const std::vector<float> gradient = random_floats(count, 1);
  for (const CpuIsa isa : test::runnable_isas()) {
    std::vector<float> parameter = random_floats(count, 2);
    std::vector<float> m = random_floats(count, 3);
    std::vector<float> v(count, 0.25F);
    std::vector<double> expected;
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      expected.push_back(
          ref::adamw<double>({parameter[i], m[i], v[i]}, gradient[i], 0.1, 0.9, 0.99, 1e-8, 0.0, 3)
              .parameter);
    }
    const kernels::AdamWConstants constants = {
        1.0, 0.9, 0.99, 0.1 / (1.0 - std::pow(0.9, 3)), 1.0 / std::sqrt(1.0 - std::pow(0.99, 3)), 1e-8};
    kernels::update_kernels(isa).adamw(count, constants, 1.0, gradient.data(), parameter.data(), m.data(),
                                       v.data());
    EXPECT_TRUE(is_near(std::span<const float>(parameter), expected, {.relative = one_rounding}))
        << name_of(isa);
  }
}

TEST(UpdateTensors, EachHasItsOwnLearningRate) {
  Context context;
  std::vector<float> gradient(3, 1.0F);
  std::vector<float> slow(3, 1.0F);
  std::vector<float> fast(3, 1.0F);
  const UpdatedTensor tensors[] = {{gradient, slow, {}, {}}, {gradient, fast, {}, {}, 4.0}};
  sgd_update(context, {.learning_rate = 0.125, .momentum = 0.0, .weight_decay = 0.0, .step = 1}, 1.0F,
             tensors);
  EXPECT_EQ(slow, std::vector<float>(3, 0.875F));
  EXPECT_EQ(fast, std::vector<float>(3, 0.5F));
  const std::span<float> both[] = {slow, fast};
  zero_arrays(context, both);
  EXPECT_EQ(slow, std::vector<float>(3));
  EXPECT_EQ(fast, std::vector<float>(3));
}

TEST(SumOfSquares, OfNothingIsZeroAndSeesInfinity) {
  Context context;
  EXPECT_EQ(sum_of_squares(context, {}), 0.0);
  std::vector<float> values = random_floats(5000, 1);
  values[4321] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isinf(sum_of_squares(context, values)));
}

TEST(UpdateErrors, LengthsMustAgree) {
  Context context;
  std::vector<float> three(3);
  std::vector<float> four(4);
  const UpdatedTensor uneven_state = {three, three, four, three};
  EXPECT_THROW(adamw_update(context, {1e-3, 0.9, 0.999, 1e-8, 0.0, 1}, 1.0F, {&uneven_state, 1}),
               std::logic_error);
  const UpdatedTensor no_buffer = {three, three, {}, {}};
  EXPECT_THROW(sgd_update(context, {1e-3, 0.9, 0.0, 1}, 1.0F, {&no_buffer, 1}), std::logic_error);
  const UpdatedTensor uneven_gradient = {four, three, three, {}};
  EXPECT_THROW(adagrad_update(context, {1e-3, 1e-10, 0.0}, 1.0F, {&uneven_gradient, 1}), std::logic_error);
}

}  // namespace
}  // namespace cola::ops
