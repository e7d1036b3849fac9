#include "log/flops.h"

#include <gtest/gtest.h>

#include "model/model_config.h"
#include "model/parameter_spec.h"
#include "support/renamed_family.h"

namespace cola {
namespace {

TEST(HfFlos, CountsPaddingToAMultipleOfEight) {
  RaggedBatch batch;
  batch.offsets = {0, 11, 14, 16};  // lengths 11, 3, 2: three rows of 16 tokens as a collator would pad them
  EXPECT_DOUBLE_EQ(hf_flos(batch, 1000), 6.0 * 3 * 16 * 1000);
}

TEST(HfFlos, CountsLengthsGivenDirectly) {
  EXPECT_DOUBLE_EQ(hf_flos(std::vector<std::int64_t>{11, 14, 16, 3}, 1000), 6.0 * 4 * 16 * 1000);
  EXPECT_DOUBLE_EQ(hf_flos(std::vector<std::int64_t>{17, 2}, 1000), 6.0 * 2 * 24 * 1000);
  EXPECT_DOUBLE_EQ(hf_flos(std::vector<std::int64_t>{}, 1000), 0.0);
}

TEST(HfFlos, LeavesOutTheTablesButNotAnUntiedHead) {
  const DecoderSpec opt = spec_of_shape("opt-125m");
  EXPECT_EQ(hf_flos_parameters(opt), parameter_count(opt) - (50272 + 2050) * 768);
  const DecoderSpec llama = spec_of_shape("llama-2-7b");
  EXPECT_EQ(hf_flos_parameters(llama), parameter_count(llama) - 32000 * 4096);
  EXPECT_EQ(hf_flos_parameters(test::renamed(opt)), hf_flos_parameters(opt));
}

}  // namespace
}  // namespace cola
