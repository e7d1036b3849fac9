#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "support/files.h"
#include "train/small_run.h"

namespace cola {
namespace {

double sum_of(const std::vector<OpProfile>& profile, double OpProfile::* member) {
  return std::accumulate(profile.begin(), profile.end(), 0.0,
                         [=](double sum, const OpProfile& row) { return sum + row.*member; });
}

TEST(TrainProfile, AccountsForEveryFlopAndSecond) {
  const test::TemporaryFolder folder;
  TrainOptions options = test::small_options(folder.path());
  options.knots = "";
  options.method = "lora";
  const TrainResult plain = test::run(options);
  EXPECT_TRUE(plain.profile.empty());
  options.out = folder.path() / "profiled";
  const TrainResult result = train(options, {.quiet = true, .profile = true});
  // Without dev data and knots a run's FLOPs are its steps'.
  EXPECT_EQ(sum_of(result.profile, &OpProfile::flops), result.real_flops);
  EXPECT_EQ(result.real_flops, plain.real_flops);
  EXPECT_EQ(result.train_loss, plain.train_loss);
  EXPECT_GE(sum_of(result.profile, &OpProfile::seconds), result.seconds);
  EXPECT_TRUE(std::ranges::is_sorted(result.profile, std::ranges::greater{}, &OpProfile::seconds));
  const auto row_of = [&](std::string_view op) {
    const auto row = std::ranges::find(result.profile, op, &OpProfile::op);
    return row == result.profile.end() ? OpProfile{} : *row;
  };
  const std::int64_t blocks = 2;  // of the parity OPT
  EXPECT_EQ(row_of("attention_forward").calls, blocks * result.steps);
  EXPECT_EQ(row_of("lora_forward").calls, blocks * result.steps);  // q and v together
  EXPECT_GT(row_of("layer_norm_forward").bytes, 0.0);
  EXPECT_EQ(row_of("layer_norm_forward").flops, 0.0);
  EXPECT_EQ(row_of("multiply").calls, 0);
}

}  // namespace
}  // namespace cola
