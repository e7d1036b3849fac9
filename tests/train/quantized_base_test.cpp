// Runs on quantised weights: what they are trained beside, and what is refused.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "cola/language_model.h"
#include "train/small_run.h"

namespace cola {
namespace {

using test::TemporaryFolder;

TrainOptions quantized_run(const TemporaryFolder& folder) {
  TrainOptions options = test::small_options(folder.path());
  options.model = test::parity_folder("llama_gqa_tiny");
  options.quantize_base = "q8_0";
  test::add_dev(options);
  return options;
}

double loss_of(const TrainOptions& options, const std::string& quantize_base) {
  ModelSource source;
  source.run = options.out;
  source.state = "last";
  source.dtype = "f32";
  source.quantize_base = quantize_base;
  return LanguageModel(source).evaluate(options.dev, {}).loss;
}

TEST(QuantizedBase, IsWhatARunIsTrainedBeside) {
  const TemporaryFolder folder;
  const TrainOptions options = quantized_run(folder);
  const TrainResult result = train(options);
  ASSERT_TRUE(result.dev_loss);
  EXPECT_EQ(result.links, 2);
  EXPECT_NEAR(loss_of(options, "q8_0"), *result.dev_loss, 1e-6);  // links are saved as one, in f32
  const double unquantized = loss_of(options, "");
  EXPECT_NE(unquantized, *result.dev_loss);
  EXPECT_NEAR(unquantized, *result.dev_loss, 0.02);  // eight bits of weights
}

TEST(QuantizedBase, GivesTheSameBitsAgain) {
  const TemporaryFolder folder;
  TrainOptions options = quantized_run(folder);
  const double whole = train(options).train_loss;
  options.out = folder.path() / "again";
  EXPECT_EQ(train(options).train_loss, whole);
}

TEST(QuantizedBase, RefusesWhatItCannotDo) {
  const auto message = [](TrainOptions options) -> std::string {
    try {
      (void)train(options);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "was taken";
  };
  const TemporaryFolder folder;
  TrainOptions options = quantized_run(folder);
  options.tie = "merge";
  EXPECT_NE(message(options).find("--tie merge"), std::string::npos);
  options.tie = "auto";
  options.quantize_base = "q3_k";
  EXPECT_NE(message(options).find("'q3_k' is not one of"), std::string::npos);
  options.quantize_base = "q8_0";
  options.base_dtype = "bf16";
  EXPECT_NE(message(options).find("exclude each other"), std::string::npos);
  options.quantize_base = "";
  options.dtype = "f32";
  EXPECT_NE(message(options).find("--base-dtype bf16 needs --dtype bf16"), std::string::npos);
  options.base_dtype = "keep";
  options.quantize_base = "q8_0";
  options.method = "full";
  options.knots = "";
  EXPECT_NE(message(options).find("--quantize-base belongs to --method cola or lora"), std::string::npos);
}

/// A quantised file is expanded, and saved in the dtype that it was trained in.
TEST(QuantizedBase, IsExpandedForFullFineTuning) {
  const char* shared = std::getenv("COLA_TEST_DATA");
  if (shared == nullptr) GTEST_SKIP() << "skipped: COLA_TEST_DATA is not set";
  const TemporaryFolder folder;
  TrainOptions options = test::small_options(folder.path());
  options.model = std::filesystem::path(shared) / "gguf/quantised/model-q4_k_m.gguf";
  options.method = "full";
  options.knots = "";
  options.max_steps = 2;
  test::add_dev(options);
  const TrainResult result = train(options);
  EXPECT_NEAR(loss_of(options, ""), *result.dev_loss, 1e-6);
}

}  // namespace
}  // namespace cola
