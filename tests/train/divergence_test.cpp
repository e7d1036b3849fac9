// Training that breaks the model: it stops, also where the numbers alone would let it go on, and names where.
#include <gtest/gtest.h>

#include <regex>

#include "io/safetensors_writer.h"
#include "small_run.h"
#include "train/diverged_error.h"

namespace cola {
namespace {

/// what() of the DivergedError that training ends with; fails the test if it does not.
std::string divergence_of(const TrainOptions& options) {
  try {
    (void)test::run(options);
  } catch (const DivergedError& error) {
    return error.what();
  }
  ADD_FAILURE() << "did not diverge";
  return {};
}

struct Case {
  std::string model, method, optimizer;
  double learning_rate;
  std::vector<std::string> target_modules = {"q_proj", "v_proj"};
};

std::ostream& operator<<(std::ostream& stream, const Case& c) {
  return stream << c.model << " " << c.method << " " << c.optimizer << " " << c.learning_rate;
}

class Divergence : public testing::TestWithParam<Case> {
 protected:
  Divergence() : options(test::small_options(folder.path())) {
    const Case& c = GetParam();
    options.model = test::parity_folder(c.model);
    options.method = c.method;
    options.knots.clear();
    options.target_modules = c.target_modules;
    options.optimizer = c.optimizer;
    options.learning_rate = c.learning_rate;
    options.max_grad_norm = 0.0;
    options.epochs = 6;
  }

  test::TemporaryFolder folder;
  TrainOptions options;
};

const std::string norm_overflowed =
    "the input of model\\.(decoder\\.)?(layers\\.[01]\\.\\w*norm|norm|final_layer_norm) has overflowed "
    "\\(its (mean square|variance) is not finite\\): stopped; ";

TEST_P(Divergence, NamesTheStepAndTheNorm) {
  const std::regex wanted("step [0-9]+: the loss is -?nan and the gradient norm -?nan: " + norm_overflowed);
  for (const bool checkpointing : {false, true}) {
    options.activation_checkpointing = checkpointing;
    options.out = folder / (checkpointing ? "checkpointing" : "run");
    const std::string error = divergence_of(options);
    EXPECT_TRUE(std::regex_search(error, wanted)) << error;
  }
}

// What no step follows is found by the dev loss, or by the loss of one batch more.
TEST_P(Divergence, OfTheLastUpdateIsFound) {
  options.learning_rate = 1e30;
  options.max_steps = 1;
  const RunFolder run{options.out};
  std::string error = divergence_of(options);
  EXPECT_TRUE(std::regex_search(
      error, std::regex("step 1: the loss after its update is -?(nan|inf): " + norm_overflowed)))
      << error;
  EXPECT_TRUE(run.checkpoint_steps().empty());
  EXPECT_FALSE(std::filesystem::exists(run.last()));
  options.out = folder / "with-dev";
  test::add_dev(options);
  error = divergence_of(options);
  EXPECT_TRUE(std::regex_search(error, std::regex("step 1: the dev loss is -?(nan|inf): " + norm_overflowed)))
      << error;
}

// With zeros in place of what overflows, all but SGD 30 had a loss of exactly ln V and a gradient of 0 here.
INSTANTIATE_TEST_SUITE_P(
    Runs, Divergence,
    testing::Values(Case{"llama_tiny", "full", "sgd", 30}, Case{"llama_tiny", "full", "sgd", 100},
                    Case{"llama_tiny", "full", "sgd", 1000}, Case{"llama_tiny", "full", "adamw", 1000},
                    Case{"llama_gqa_tiny", "full", "adamw", 1e5},
                    Case{"llama_tiny", "lora", "adamw", 1000, {"all-linear"}},
                    Case{"llama_tiny", "lora", "adamw", 1e30},
                    Case{"opt_tiny", "lora", "adamw", 1e5, {"all-linear"}},
                    Case{"opt_tiny", "lora", "adamw", 1e30}, Case{"opt350_tiny", "lora", "adamw", 1e30},
                    Case{"opt350_tiny", "full", "adamw", 1e5}));

class ZeroGradient : public testing::Test {
 protected:
  ZeroGradient() : options(test::small_options(folder.path())) { options.knots.clear(); }

  /// The parity OPT with a last norm that gives logits of `scale` times the products of token 7's row with
  /// the tied table's, whatever the input; trained to say 7 always.
  void make_constant_model(float scale) {
    options.model = folder / "model";
    const auto source = test::parity_folder("opt_tiny");
    const auto checkpoint = open_checkpoint(source);
    std::map<std::string, std::vector<float>> values;
    for (const auto& [name, tensor] : checkpoint->tensors())
      values[name] = test::floats_of(*checkpoint, name);
    auto& weight = values.at("model.decoder.final_layer_norm.weight");
    auto& bias = values.at("model.decoder.final_layer_norm.bias");
    const auto& table = values.at("model.decoder.embed_tokens.weight");
    for (std::size_t i = 0; i < weight.size(); ++i) {
      weight[i] = 0.0F;
      bias[i] = scale * table[7 * weight.size() + i];
    }
    std::vector<TensorToWrite> tensors;
    for (const auto& [name, tensor] : checkpoint->tensors())
      tensors.push_back(tensor_of_floats(name, tensor.shape, values.at(name)));
    std::filesystem::create_directory(options.model);
    write_checkpoint(options.model, tensors, std::int64_t{1} << 40);
    std::filesystem::copy(source / "config.json", options.model / "config.json");
    test::write_text_file_at(options.train.front(),
                             R"({"input_ids": [2, 9, 7, 7], "labels": [-100, -100, 7, 7]})");
  }

  test::TemporaryFolder folder;
  TrainOptions options;
};

TEST_F(ZeroGradient, IsDivergence) {
  make_constant_model(0.0F);
  const std::string error = divergence_of(options);
  EXPECT_TRUE(test::contains_all(
      error, {"step 1: the gradient of all trained parameters is exactly 0, the loss 6.2", "stopped"}))
      << error;
}

TEST_F(ZeroGradient, IsRightWhereNothingIsLeftToLearn) {
  make_constant_model(1e8F);
  const TrainResult result = test::run(options);
  EXPECT_EQ(result.steps, 3);
  EXPECT_EQ(result.train_loss, 0.0);
}

// The one row with a loss sees itself alone, whatever its query and key are.
TEST_F(ZeroGradient, IsRightForTheQueryOfALoneToken) {
  options.target_modules = {"q_proj", "k_proj"};
  options.dtype = "bf16";  // in f32 rounding is left of it
  options.batch_size = 1;
  options.epochs = 2;
  test::write_text_file_at(options.train.front(),
                           "{\"input_ids\": [2, 9], \"labels\": [2, 9]}\n"
                           "{\"input_ids\": [2, 9, 11, 8], \"labels\": [2, 9, 11, 8]}\n");
  EXPECT_EQ(test::run(options).steps, 4);
  const auto norms = test::values(options.out, "step", "grad_norm");
  EXPECT_EQ(std::ranges::count(norms, 0.0), 2);
}

TEST_F(ZeroGradient, IsNotThatOfALearningRateOfZero) {
  options.warmup_steps = 12;
  options.freeze_a = true;
  EXPECT_EQ(test::run(options).steps, 12);
  EXPECT_EQ(test::values(options.out, "step", "lr").front(), 0.0);
}

}  // namespace
}  // namespace cola
