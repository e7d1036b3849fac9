#include "bench/generate_benchmark.h"

#include <gtest/gtest.h>

#include "bench/necessary_work.h"
#include "core/error.h"
#include "support/tiny_opt.h"

namespace cola {
namespace {

GenerateBenchmarkOptions tiny_options() {
  GenerateBenchmarkOptions options;
  options.config = test::tiny_config();
  options.prompt_tokens = 6;
  options.new_tokens = 4;
  options.rounds = 2;
  return options;
}

TEST(GenerateBenchmark, FiguresFitTogether) {
  GenerateBenchmarkOptions options = tiny_options();
  options.dtype = DType::bf16;
  options.batch_size = 3;
  std::int64_t reports = 0;
  const GenerateBenchmark result = benchmark_generate(options, [&](std::int64_t done, std::int64_t total) {
    EXPECT_EQ(done, ++reports);
    EXPECT_EQ(total, 30);
  });
  EXPECT_EQ(reports, 30);  // of 3 sequences, 2 that are not counted and twice 4
  EXPECT_GT(result.tokens_per_second.low, 0.0);
  EXPECT_GT(result.prompt_tokens_per_second.low, 0.0);
  EXPECT_EQ(result.weight_bytes,
            weight_bytes_of_token(options.config, Weights(options.config, 1, DType::bf16)));
  EXPECT_GT(result.fraction_of_bandwidth.low, 0.0);
}

TEST(GenerateBenchmark, RefusesWhatCannotBe) {
  const auto refuses = [](auto change) {
    GenerateBenchmarkOptions options = tiny_options();
    change(options);
    EXPECT_THROW((void)benchmark_generate(options), UsageError);
  };
  refuses([](auto& options) { options.prompt_tokens = 1; });
  refuses([](auto& options) { options.new_tokens = 1; });
  refuses([](auto& options) { options.new_tokens = 27; });  // 32 positions
  refuses([](auto& options) { options.rounds = 0; });
  refuses([](auto& options) { options.batch_size = 0; });
  refuses([](auto& options) { options.batch_size = 33; });
}

}  // namespace
}  // namespace cola
