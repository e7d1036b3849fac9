#include "optim/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"

namespace cola {
namespace {

// Parameters are f32 of size about 1, so a step rounds by at most 6e-8; over 20 steps, and with f32 moments
// whose rounding moves an update of 1e-2 by 1e-8, 5e-6 is ample, and a wrong bias correction or decay moves
// by over 1e-4.
constexpr double tolerance = 5e-6;
constexpr int steps = 20;
constexpr double learning_rate = 1e-2;

/// Two parameters with gradients that change every step, and the same ones in double.
class OptimizerTest : public testing::Test {
 protected:
  std::vector<TrainableParameter> parameters() {
    return {{"first", values_[0], gradients_[0]}, {"second", values_[1], gradients_[1]}};
  }
  void set_gradients(int step) {
    for (std::size_t p = 0; p < 2; ++p) {
      for (std::size_t i = 0; i < values_[p].size(); ++i)
        gradients_[p][i] = static_cast<float>(gradient(p, i, step));
    }
  }
  static double gradient(std::size_t p, std::size_t i, int step) {
    return static_cast<float>(
        std::sin(1.0 + static_cast<double>(p) + 0.7 * static_cast<double>(i) + 1.3 * step));
  }
  static double initial(std::size_t p, std::size_t i) {
    return static_cast<float>(std::cos(static_cast<double>(p) + 0.9 * static_cast<double>(i)));
  }

  /// Runs `steps` updates and compares every element with `reference(value, gradient, step from 1, memory)`,
  /// which returns the new value.
  template <class Memory, class Reference>
  void compare(const OptimizerOptions& options, float scale, const Reference& reference) {
    Optimizer optimizer(options, parameters());
    for (int step = 1; step <= steps; ++step) {
      set_gradients(step);
      optimizer.update(context_, learning_rate, scale);
    }
    EXPECT_EQ(optimizer.steps_done(), steps);
    for (std::size_t p = 0; p < 2; ++p) {
      for (std::size_t i = 0; i < values_[p].size(); ++i) {
        Memory memory{};
        double value = initial(p, i);
        for (int step = 1; step <= steps; ++step)
          value = reference(value, scale * gradient(p, i, step), step, memory);
        EXPECT_NEAR(values_[p][i], value, tolerance) << p << " " << i;
      }
    }
  }

  OptimizerTest() {
    for (std::size_t p = 0; p < 2; ++p) {
      values_[p].resize(p == 0 ? 5 : 37);
      gradients_[p].resize(values_[p].size());
      for (std::size_t i = 0; i < values_[p].size(); ++i) values_[p][i] = static_cast<float>(initial(p, i));
    }
  }

  ops::Context context_;
  std::vector<float> values_[2], gradients_[2];
};

// "second" as if there were no weight decay, bit for bit; "first" as if all had it.
TEST_F(OptimizerTest, OnlyTheParametersThatDecayDo) {
  const auto updated = [&](OptimizerOptions options, bool second_decays) {
    std::vector<std::vector<float>> values(std::begin(values_), std::end(values_));
    auto list = parameters();
    list[0].value = values[0];
    list[1].value = values[1];
    list[1].decays = second_decays;
    Optimizer optimizer(options, list);
    for (int step = 1; step <= steps; ++step) {
      set_gradients(step);
      optimizer.update(context_, learning_rate, 1.0F);
    }
    return values;
  };
  for (const OptimizerKind kind : {OptimizerKind::adamw, OptimizerKind::sgd, OptimizerKind::adagrad}) {
    const double momentum = kind == OptimizerKind::sgd ? 0.9 : 0.0;
    const OptimizerOptions decay{.kind = kind, .weight_decay = 0.1, .momentum = momentum};
    const OptimizerOptions none{.kind = kind, .momentum = momentum};
    const auto chosen = updated(decay, false);
    EXPECT_EQ(chosen[0], updated(decay, true)[0]) << name_of(kind);
    EXPECT_EQ(chosen[1], updated(none, true)[1]) << name_of(kind);
    EXPECT_NE(chosen[0], updated(none, true)[0]) << name_of(kind);
    EXPECT_NE(chosen[1], updated(decay, true)[1]) << name_of(kind);
  }
}

struct Moments {
  double m = 0.0, v = 0.0;
};

TEST_F(OptimizerTest, AdamWFollowsItsFormula) {
  const OptimizerOptions options{.kind = OptimizerKind::adamw, .weight_decay = 0.1};
  compare<Moments>(options, 0.5F, [](double value, double g, int t, Moments& memory) {
    memory.m = 0.9 * memory.m + 0.1 * g;
    memory.v = 0.999 * memory.v + 0.001 * g * g;
    const double m_hat = memory.m / (1 - std::pow(0.9, t));
    const double v_hat = memory.v / (1 - std::pow(0.999, t));
    return value * (1 - learning_rate * 0.1) - learning_rate * m_hat / (std::sqrt(v_hat) + 1e-8);
  });
}

TEST_F(OptimizerTest, SgdFollowsItsFormula) {
  const OptimizerOptions options{.kind = OptimizerKind::sgd, .weight_decay = 0.2};
  compare<int>(options, 1.0F,
               [](double value, double g, int, int&) { return value - learning_rate * (g + 0.2 * value); });
}

TEST_F(OptimizerTest, SgdWithMomentumFollowsItsFormula) {
  const OptimizerOptions options{.kind = OptimizerKind::sgd, .weight_decay = 0.05, .momentum = 0.9};
  compare<double>(options, 2.0F, [](double value, double g, int, double& buffer) {
    buffer = 0.9 * buffer + g + 0.05 * value;  // the first step's buffer is the gradient itself: 0.9 * 0 + g
    return value - learning_rate * buffer;
  });
}

TEST_F(OptimizerTest, AdagradFollowsItsFormula) {
  const OptimizerOptions options{.kind = OptimizerKind::adagrad, .weight_decay = 0.05};
  compare<double>(options, 1.0F, [](double value, double g, int, double& sum) {
    const double decayed = g + 0.05 * value;
    sum += decayed * decayed;
    return value - learning_rate * decayed / (std::sqrt(sum) + 1e-10);
  });
}

// The first step of a fresh AdamW is lr * g / (|g| + eps): what a knot's reset must give. With m = v = 0 but
// an old step counter it would be 3.16 times larger.
TEST_F(OptimizerTest, ANewOptimizerBeginsAgain) {
  for (int round = 0; round < 2; ++round) {
    Optimizer optimizer({}, parameters());
    EXPECT_TRUE(optimizer.is_fresh());
    EXPECT_EQ(optimizer.steps_done(), 0);
    for (int step = 1; step <= steps; ++step) {
      set_gradients(step);
      const std::vector<float> before = values_[1];
      optimizer.update(context_, learning_rate, 1.0F);
      EXPECT_FALSE(optimizer.is_fresh());
      if (step > 1) continue;
      for (std::size_t i = 0; i < before.size(); ++i) {
        const double expected = gradients_[1][i] > 0 ? -learning_rate : learning_rate;
        EXPECT_NEAR(values_[1][i] - before[i], expected,
                    1e-6);  // f32 rounding of a value near 1, and epsilon
      }
    }
  }
}

TEST_F(OptimizerTest, StateRestoresAnInterruptedRun) {
  for (const OptimizerKind kind : {OptimizerKind::adamw, OptimizerKind::sgd, OptimizerKind::adagrad}) {
    const OptimizerOptions options{.kind = kind, .momentum = kind == OptimizerKind::sgd ? 0.9 : 0.0};
    Optimizer whole(options, parameters());
    for (int step = 1; step <= 3; ++step) {
      set_gradients(step);
      whole.update(context_, learning_rate, 1.0F);
    }
    const std::vector<float> saved[2] = {values_[0], values_[1]};
    std::vector<std::vector<float>> saved_state;
    for (const auto& state : whole.state())
      saved_state.emplace_back(state.values.begin(), state.values.end());
    set_gradients(4);
    whole.update(context_, learning_rate, 1.0F);
    const std::vector<float> expected[2] = {values_[0], values_[1]};

    values_[0] = saved[0];
    values_[1] = saved[1];
    Optimizer resumed(options, parameters());
    const auto states = resumed.state();
    ASSERT_EQ(states.size(), saved_state.size());
    for (std::size_t i = 0; i < states.size(); ++i) {
      ASSERT_EQ(states[i].values.size(), saved_state[i].size());
      std::copy(saved_state[i].begin(), saved_state[i].end(), states[i].values.begin());
    }
    resumed.set_steps_done(3);
    EXPECT_FALSE(resumed.is_fresh());
    resumed.update(context_, learning_rate, 1.0F);
    EXPECT_EQ(values_[0], expected[0]) << name_of(kind);
    EXPECT_EQ(values_[1], expected[1]) << name_of(kind);
  }
}

TEST_F(OptimizerTest, StateNamesAndBytes) {
  const auto names = [&](const OptimizerOptions& options) {
    Optimizer optimizer(options, parameters());
    std::vector<std::string> list;
    for (const auto& state : optimizer.state()) list.push_back(state.name);
    return list;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names({}), (Names{"adamw.m.first", "adamw.v.first", "adamw.m.second", "adamw.v.second"}));
  const OptimizerOptions sgd{.kind = OptimizerKind::sgd};
  const OptimizerOptions momentum{.kind = OptimizerKind::sgd, .momentum = 0.9};
  const OptimizerOptions adagrad{.kind = OptimizerKind::adagrad};
  EXPECT_TRUE(names(sgd).empty());
  EXPECT_EQ(names(momentum), (Names{"sgd.momentum.first", "sgd.momentum.second"}));
  EXPECT_EQ(names(adagrad), (Names{"adagrad.sum.first", "adagrad.sum.second"}));
  EXPECT_EQ(optimizer_bytes_per_parameter({}), 8);
  EXPECT_EQ(optimizer_bytes_per_parameter(sgd), 0);
  EXPECT_EQ(optimizer_bytes_per_parameter(momentum), 4);
  EXPECT_EQ(optimizer_bytes_per_parameter(adagrad), 4);
}

TEST_F(OptimizerTest, GradientNormIsOverAllParametersInDouble) {
  set_gradients(1);
  double sum = 0.0;
  for (const auto& gradients : gradients_) {
    for (const double g : gradients) sum += g * g;
  }
  EXPECT_NEAR(gradient_norm(context_, parameters()), std::sqrt(sum),
              1e-12);              // double sums of 42 squares below 1
  gradients_[0].assign(5, 3e30F);  // squares overflow f32
  gradients_[1].assign(37, 0.0F);
  EXPECT_NEAR(gradient_norm(context_, parameters()) / (static_cast<double>(3e30F) * std::sqrt(5.0)), 1.0,
              1e-12);
}

TEST(ClipFactor, IsTorchs) {
  EXPECT_EQ(clip_factor(0.5, 1.0), 1.0F);
  EXPECT_FLOAT_EQ(clip_factor(4.0, 1.0), static_cast<float>(1.0 / (4.0 + 1e-6)));
  EXPECT_LT(clip_factor(1.0, 1.0), 1.0F);  // torch divides by norm + 1e-6
  EXPECT_EQ(clip_factor(100.0, 0.0), 1.0F);
  EXPECT_EQ(clip_factor(0.0, 1.0), 1.0F);
}

TEST(OptimizerOptions, RefusesWhatHasNoDefinition) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const OptimizerOptions refused[] = {{.weight_decay = -0.1}, {.weight_decay = nan}, {.momentum = 1.0},
                                      {.momentum = nan},      {.beta1 = 1.0},        {.epsilon = -1.0}};
  for (const OptimizerOptions& options : refused) EXPECT_THROW(Optimizer(options, {}), UsageError);
  std::vector<float> three(3);
  std::vector<float> two(2);
  EXPECT_THROW(Optimizer({}, {{"weight", three, two}}), Error);
  EXPECT_THROW((void)parse_optimizer("adam"), UsageError);
  for (const auto kind : {OptimizerKind::adamw, OptimizerKind::sgd, OptimizerKind::adagrad}) {
    EXPECT_EQ(parse_optimizer(name_of(kind)), kind);
  }
}

}  // namespace
}  // namespace cola
