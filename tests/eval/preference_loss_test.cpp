#include "eval/preference_loss.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"

namespace cola {
namespace {

const PairScores scores{.sums = {-9.5, -14.25}, .tokens = {4, 6}, .own_nll = 9.5, .own_tokens = 4};
constexpr AnswerLogProbabilities reference{-10.0, -12.0};

PreferenceObjective objective(const std::string& name, const std::string& loss = "",
                              std::optional<double> beta = std::nullopt,
                              std::optional<double> smoothing = std::nullopt) {
  PreferenceOptions options;
  options.objective = name;
  options.dpo_loss = loss;
  options.beta = beta;
  options.label_smoothing = smoothing;
  return *preference_objective(options);
}

double log_sigmoid(double z) { return -std::log(1.0 + std::exp(-z)); }
double log_odds(double z) { return z - std::log(1.0 - std::exp(z)); }

/// The formulas as they are written down in docs/preferences.md.
TEST(PreferenceLoss, FollowsItsFormulas) {
  const double d = (-9.5 + 10.0) - (-14.25 + 12.0);              // of sums
  const double m = (-9.5 + 10.0) / 4.0 - (-14.25 + 12.0) / 6.0;  // of means
  const auto loss = [](const PreferenceObjective& o) { return pair_loss(o, scores, reference).loss; };
  EXPECT_NEAR(loss(objective("dpo")), -log_sigmoid(0.1 * d), 1e-14);
  EXPECT_NEAR(loss(objective("dpo", "hinge", 0.2)), 1.0 - 0.2 * d, 1e-14);
  EXPECT_EQ(loss(objective("dpo", "hinge", 2.0)), 0.0);
  EXPECT_NEAR(loss(objective("dpo", "ipo", 0.5)), (m - 1.0) * (m - 1.0), 1e-14);
  EXPECT_NEAR(loss(objective("dpo", "sigmoid_norm", 2.0)), -log_sigmoid(2.0 * m), 1e-14);
  EXPECT_NEAR(loss(objective("dpo", "robust", 0.1, 0.1)),
              (-0.9 * log_sigmoid(0.1 * d) + 0.1 * log_sigmoid(-0.1 * d)) / 0.8, 1e-14);
  EXPECT_NEAR(loss(objective("simpo")), -log_sigmoid(2.0 * (-9.5 / 4.0 + 14.25 / 6.0) - 0.5), 1e-14);
  EXPECT_NEAR(loss(objective("orpo")), -0.1 * log_sigmoid(log_odds(-9.5 / 4.0) - log_odds(-14.25 / 6.0)),
              1e-14);
}

TEST(PreferenceLoss, SlopesAreItsDerivatives) {
  for (const PreferenceObjective& o :
       {objective("dpo"), objective("dpo", "hinge", 0.2), objective("dpo", "ipo", 0.5),
        objective("dpo", "sigmoid_norm", 2.0), objective("dpo", "robust", 0.3, 0.2), objective("simpo"),
        objective("orpo", "", 0.7)}) {
    const PairLoss exact = pair_loss(o, scores, reference);
    for (std::size_t i = 0; i < 2; ++i) {
      constexpr double step = 1e-5;
      PairScores above = scores;
      PairScores below = scores;
      above.sums.at(i) += step;
      below.sums.at(i) -= step;
      const double slope =
          (pair_loss(o, above, reference).loss - pair_loss(o, below, reference).loss) / (2.0 * step);
      EXPECT_NEAR(exact.slopes.at(i), slope, 1e-9) << static_cast<int>(o.loss) << " " << i;
    }
  }
}

TEST(PreferenceLoss, LargeMarginsStayFinite) {
  for (const char* loss : {"sigmoid", "robust"}) {
    for (const double margin : {-1e5, 1e5}) {
      const PairScores far{.sums = {margin, 0.0}, .tokens = {1, 1}, .own_nll = 0.0, .own_tokens = 1};
      const PairLoss one =
          pair_loss(objective("dpo", loss, 1.0, loss[0] == 'r' ? std::optional(0.1) : std::nullopt), far, {});
      EXPECT_TRUE(std::isfinite(one.loss) && std::isfinite(one.slopes[0])) << loss << margin;
    }
  }
}

TEST(PreferenceLoss, RewardsAreSumsWithAReferenceAndMeansWithout) {
  EXPECT_EQ(pair_loss(objective("dpo", "ipo", 0.5), scores, reference).rewards, (std::array{0.25, -1.125}));
  EXPECT_EQ(pair_loss(objective("simpo"), scores, {}).rewards, (std::array{-4.75, -4.75}));
  PreferenceSums sums;
  sums.add(scores, pair_loss(objective("simpo"), scores, {}));
  EXPECT_EQ(sums.accuracy(), 0.0);  // equal rewards are not larger ones
  sums.add(scores, pair_loss(objective("dpo"), scores, reference));
  EXPECT_EQ(sums.accuracy(), 0.5);
  EXPECT_EQ(PreferenceSums::of_figures(sums.figures()).figures(), sums.figures());
}

TEST(PreferenceLoss, TheOwnLossIsAMeanOverTokens) {
  PreferenceOptions options;
  options.objective = "dpo";
  options.sft_weight = 0.5;
  const auto with = *preference_objective(options);
  PreferenceSums sums;
  PairScores longer = scores;
  longer.own_nll = 1.0;
  longer.own_tokens = 16;
  sums.add(scores, pair_loss(with, scores, reference));
  sums.add(longer, pair_loss(with, longer, reference));
  EXPECT_NEAR(sums.mean_loss(with), pair_loss(with, scores, reference).loss + 0.5 * (9.5 + 1.0) / 20.0,
              1e-14);
}

TEST(PreferenceObjective, OptionsThatAnObjectiveDoesNotHaveAreRefused) {
  const auto refused = [](const auto& change, const std::string& message, const std::string& name = "dpo") {
    PreferenceOptions options;
    options.objective = name;
    change(options);
    try {
      (void)preference_objective(options);
      ADD_FAILURE() << "accepted: " << message;
    } catch (const UsageError& error) {
      EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
    }
  };
  refused([](auto& o) { o.objective = "kto"; }, "--objective 'kto'");
  refused([](auto& o) { o.dpo_loss = "apo"; }, "--dpo-loss 'apo'");
  refused([](auto& o) { o.label_smoothing = 0.1; }, "--label-smoothing");
  refused(
      [](auto& o) {
        o.dpo_loss = "hinge";
        o.label_smoothing = 0.1;
      },
      "--label-smoothing");
  refused(
      [](auto& o) {
        o.dpo_loss = "robust";
        o.label_smoothing = 0.5;
      },
      "--label-smoothing 0.5");
  refused([](auto& o) { o.beta = 0.0; }, "--beta");
  refused([](auto& o) { o.beta = -1.0; }, "--beta");
  refused([](auto& o) { o.beta = NAN; }, "--beta");
  refused([](auto& o) { o.simpo_gamma = 0.1; }, "--simpo-gamma");
  refused([](auto& o) { o.reference = "other"; }, "--reference 'other'");
  for (const char* name : {"orpo", "simpo"}) {
    refused([](auto& o) { o.reference = "start"; }, "--reference", name);
    refused([](auto& o) { o.dpo_loss = "ipo"; }, "--dpo-loss", name);
  }
  refused([](auto& o) { o.sft_weight = 1.0; }, "--sft-weight", "orpo");
  refused([](auto& o) { o.beta = 0.1; }, "belong to --objective", "");
  EXPECT_FALSE(preference_objective({}));
}

}  // namespace
}  // namespace cola
