#include "bench/eval_benchmark.h"

#include <gtest/gtest.h>

#include <cmath>

#include "bench/red_task.h"
#include "core/error.h"
#include "model/model_config.h"

namespace cola {
namespace {

class EvalBenchmarkOfTask : public testing::Test {
 protected:
  EvalBenchmarkOfTask() {
    options_.config = spec_of_shape((test::demo_model() / "config.json").string());
    options_.tokenizer = test::demo_model();
    options_.task = test::write_red_task(folder_.path());
    options_.num_test = 4;
    options_.rounds = 2;
  }

  test::TemporaryFolder folder_;
  EvalBenchmarkOptions options_;
};

TEST_F(EvalBenchmarkOfTask, BothWaysScoreTheSameQuestions) {
  std::int64_t last = 0;
  const EvalBenchmark result = benchmark_eval(options_, [&](std::int64_t done, std::int64_t total) {
    EXPECT_GT(done, last);
    EXPECT_EQ(total, 18);
    last = done;
  });
  EXPECT_EQ(last, 18);  // one question each way that is not counted, and twice 4 each way
  EXPECT_EQ(result.questions, 4);
  EXPECT_EQ(result.candidates, 12);
  EXPECT_LT(result.shared.tokens, result.whole.tokens);
  // Random weights know nothing; 1e-5 for another order of f32 sums.
  EXPECT_NEAR(result.shared.loss, std::log(3.0), 0.2);
  EXPECT_NEAR(result.shared.loss, result.whole.loss, 1e-5);
  for (const ScoringRate& rate : {result.shared, result.whole}) {
    EXPECT_GT(rate.seconds.median, 0.0);
    EXPECT_GT(rate.fraction_of_peak.low, 0.0);
    EXPECT_DOUBLE_EQ(rate.questions_per_second * rate.seconds.median, 4.0);
    EXPECT_DOUBLE_EQ(rate.tokens_per_second * rate.seconds.median, static_cast<double>(rate.tokens));
  }
}

TEST_F(EvalBenchmarkOfTask, RefusesWhatCannotBe) {
  const auto refuses = [this](auto change) {
    EvalBenchmarkOptions options = options_;
    change(options);
    EXPECT_THROW((void)benchmark_eval(options), UsageError);
  };
  refuses([](auto& options) { options.num_test = 0; });
  refuses([](auto& options) { options.rounds = 0; });
  refuses([](auto& options) { options.task = "nothing"; });
  refuses([](auto& options) { options.task = "squad"; });
  refuses([](auto& options) { options.max_length = 1 << 20; });
}

}  // namespace
}  // namespace cola
