#include "model/weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "core/error.h"
#include "model/checkpoint_files.h"
#include "model/model_config.h"
#include "support/parity.h"
#include "support/tensors.h"

namespace cola {
namespace {

const std::string matrix = "model.layers.1.mlp.up_proj.weight";
const std::string vector = "model.layers.1.input_layernorm.weight";

class LoadedWeights : public testing::Test {
 protected:
  LoadedWeights() : config(read_model_config(test::parity_folder("llama_tiny"))) {}

  /// Writes the parity model in `file_dtype`, and opens it for computing in `compute_dtype`.
  Weights load(DType file_dtype, DType compute_dtype, std::int64_t max_shard_bytes = std::int64_t{1} << 40) {
    const auto path = folder / std::string(name_of(file_dtype));
    if (!std::filesystem::exists(path)) {
      std::filesystem::create_directories(path);
      test::write_tensors(path, original, file_dtype, max_shard_bytes);
    }
    auto source = open_checkpoint(path);
    for (const auto& [name, tensor] : source->tensors()) mapped[name] = tensor.data;
    return {config, std::move(source), compute_dtype};
  }

  /// The file's value in `file_dtype`, and then in `compute_dtype`.
  static double rounded(float value, DType file_dtype, DType compute_dtype) {
    const auto round = [](float number, DType dtype) {
      if (dtype == DType::bf16) return static_cast<float>(BFloat16(number));
      if (dtype == DType::f16) return static_cast<float>(Float16(number));
      return number;
    };
    return static_cast<double>(round(round(value, file_dtype), compute_dtype));
  }

  test::TemporaryFolder folder;
  DecoderSpec config;
  test::Checkpoint original = test::parity_checkpoint("llama_tiny");
  std::map<std::string, const void*> mapped;
};

TEST_F(LoadedWeights, EveryFileDtypeInEveryComputeDtype) {
  for (const DType file : {DType::f32, DType::bf16, DType::f16}) {
    for (const DType compute : {DType::f32, DType::bf16}) {
      const Weights weights = load(file, compute);
      for (const auto& parameter : weights.all()) {
        const DType wanted = parameter->spec.is_matrix() ? compute : DType::f32;
        ASSERT_EQ(parameter->value.plain().dtype, wanted) << parameter->spec.name;
        const auto values = test::numbers(parameter->value.plain());
        const auto& expected = original.at(parameter->spec.name).values;
        ASSERT_EQ(values.size(), expected.size());
        for (std::size_t i = 0; i < values.size(); ++i)
          ASSERT_EQ(values[i], rounded(expected[i], file, wanted)) << parameter->spec.name << " " << i;
        EXPECT_EQ(weights.file_dtype(*parameter), file);
      }
    }
  }
}

TEST_F(LoadedWeights, LieInTheMappedFileWhereTheDtypeIsTheSame) {
  const Weights f32 = load(DType::f32, DType::f32);
  for (const auto& parameter : f32.all()) {
    EXPECT_EQ(parameter->value.plain().data, mapped.at(parameter->spec.name)) << parameter->spec.name;
    EXPECT_EQ(parameter->value.owned(), nullptr);
  }
  const Weights bf16 = load(DType::bf16, DType::bf16);
  EXPECT_EQ(bf16.at(matrix).value.plain().data, mapped.at(matrix));
  EXPECT_NE(bf16.at(vector).value.plain().data, mapped.at(vector));  // vectors are f32
  EXPECT_EQ(bf16.at(vector).value.plain().dtype, DType::f32);
  const Weights widened = load(DType::bf16, DType::f32);
  EXPECT_NE(widened.at(matrix).value.plain().data, mapped.at(matrix));
}

TEST_F(LoadedWeights, AShardedCheckpointIsTheSame) {
  const auto whole = load(DType::f32, DType::f32);
  std::filesystem::create_directories(folder / "sharded");
  test::write_tensors(folder / "sharded", original, DType::f32, 100'000);
  EXPECT_FALSE(std::filesystem::exists(folder / "sharded" / "model.safetensors"));
  EXPECT_TRUE(std::filesystem::exists(folder / "sharded" / "model.safetensors.index.json"));
  const Weights sharded(config, open_checkpoint(folder / "sharded"), DType::f32);
  for (const auto& parameter : whole.all()) {
    EXPECT_EQ(test::numbers(sharded.at(parameter->spec.name).value.plain()),
              test::numbers(parameter->value.plain()))
        << parameter->spec.name;
  }
}

// The master holds the file's values, not those rounded to the compute dtype; the weight computed with
// follows it after an update.
TEST_F(LoadedWeights, TrainedInBf16FromTheFilesOwnValues) {
  Weights weights = load(DType::f32, DType::bf16);
  Parameter& parameter = weights.at(matrix);
  weights.make_trained(parameter);
  const auto& expected = original.at(matrix).values;
  const auto master = parameter.training->master.floats();
  EXPECT_TRUE(std::ranges::equal(master, expected));
  for (const float value : parameter.training->gradient.floats()) ASSERT_EQ(value, 0.0F);
  master[5] += 1.0F;
  ops::Context context;
  Weights::refresh(context, parameter);
  EXPECT_EQ(test::numbers(parameter.value.plain())[5], rounded(expected[5] + 1.0F, DType::f32, DType::bf16));
  std::vector<float> untouched(expected.size());
  weights.read_original(parameter, untouched);
  EXPECT_EQ(untouched, expected);
}

// The same, of one that was packed: it is row-major again.
TEST_F(LoadedWeights, TrainedAfterPacking) {
  Weights weights = load(DType::f32, DType::bf16);
  Parameter& parameter = weights.at(matrix);
  const auto values = test::numbers(parameter.value.plain());
  weights.pack(parameter);
  EXPECT_EQ(parameter.value.plain().data, nullptr);
  weights.make_trained(parameter);
  EXPECT_EQ(parameter.value.packed(), nullptr);
  EXPECT_TRUE(std::ranges::equal(parameter.training->master.floats(), original.at(matrix).values));
  EXPECT_EQ(test::numbers(parameter.value.plain()), values);
  weights.pack(parameter);  // trained: stays as it is
  EXPECT_EQ(parameter.value.packed(), nullptr);
}

TEST_F(LoadedWeights, OnlyBf16MatricesArePacked) {
  Weights bf16 = load(DType::bf16, DType::bf16);
  Weights f32 = load(DType::bf16, DType::f32);
  bf16.pack(bf16.at(vector));
  f32.pack(f32.at(matrix));
  EXPECT_EQ(bf16.at(vector).value.packed(), nullptr);
  EXPECT_EQ(f32.at(matrix).value.packed(), nullptr);
}

TEST(RandomWeights, ArePackedWithTheirValues) {
  const DecoderSpec config = read_model_config(test::parity_folder("llama_tiny"));
  Weights weights(config, 42, DType::bf16);
  Parameter& parameter = weights.at(matrix);
  std::vector<float> before(static_cast<std::size_t>(parameter.spec.size()));
  weights.read_original(parameter, before);
  weights.pack(parameter);
  EXPECT_EQ(parameter.value.owned(), nullptr);
  std::vector<float> after(before.size());
  weights.read_original(parameter, after);
  EXPECT_EQ(after, before);
}

TEST_F(LoadedWeights, TrainedInF32LeaveTheMappedFile) {
  Weights weights = load(DType::f32, DType::f32);
  Parameter& parameter = weights.at(vector);
  weights.make_trained(parameter);
  EXPECT_EQ(parameter.value.plain().data, parameter.training->master.view().data);
  parameter.training->master.floats()[0] = 7.0F;
  EXPECT_EQ(parameter.vector()[0], 7.0F);
  std::vector<float> untouched(original.at(vector).values.size());
  weights.read_original(parameter, untouched);
  EXPECT_EQ(untouched, original.at(vector).values);
}

TEST(ComputeDtype, IsF32OrBf16) {
  EXPECT_EQ(choose_compute_dtype("auto", DType::f32), DType::f32);
  EXPECT_EQ(choose_compute_dtype("f32", DType::bf16), DType::f32);
  EXPECT_EQ(choose_compute_dtype("bf16", DType::f32), DType::bf16);
  EXPECT_THROW((void)choose_compute_dtype("f16", DType::f16), UsageError);
  EXPECT_THROW((void)choose_compute_dtype("int8", DType::f32), UsageError);
}

TEST(RandomWeights, DependOnTheSeedAlone) {
  DecoderSpec config = read_model_config(test::parity_folder("opt_tiny"));
  const Weights one(config, 1, DType::f32);
  const Weights same(config, 1, DType::f32);
  const Weights other(config, 2, DType::f32);
  const std::string name = "model.decoder.layers.0.fc1.weight";
  EXPECT_EQ(test::numbers(one.at(name).value.plain()), test::numbers(same.at(name).value.plain()));
  EXPECT_NE(test::numbers(one.at(name).value.plain()), test::numbers(other.at(name).value.plain()));
  EXPECT_NE(test::numbers(one.at(name).value.plain()),
            test::numbers(one.at("model.decoder.layers.1.fc1.weight").value.plain()));
  EXPECT_EQ(one.at("model.decoder.layers.0.fc1.bias").vector()[3], 0.0F);
  EXPECT_EQ(one.at("model.decoder.final_layer_norm.weight").vector()[3], 1.0F);
  // 8192 draws of N(0, 0.02): the mean of their squares has a standard error of 1.6 %.
  double squares = 0.0;
  for (const double value : test::numbers(one.at(name).value.plain())) squares += value * value;
  EXPECT_NEAR(squares / 8192.0, 4e-4, 0.08 * 4e-4);
}

TEST_F(LoadedWeights, AreFinite) {
  for (const std::string& name : {matrix, vector}) {
    for (const DType file : {DType::f32, DType::bf16, DType::f16}) {
      for (const float bad :
           {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
        const test::TemporaryFolder broken;
        auto tensors = original;
        tensors.at(name).values[3] = bad;
        test::write_tensors(broken.path(), tensors, file);
        try {
          (void)Weights(config, open_checkpoint(broken.path()), DType::f32);
          FAIL() << "accepted " << bad << " in " << name;
        } catch (const Error& error) {
          const std::string message = error.what();
          EXPECT_NE(message.find("model.safetensors: tensor '" + name + "' holds"), std::string::npos)
              << message;
          EXPECT_NE(message.find(name == matrix ? "[0, 3]" : "[3]"), std::string::npos) << message;
        }
      }
    }
  }
}

TEST_F(LoadedWeights, TooLargeForTheComputeDtypeAreRefused) {
  original.at(matrix).values[0] = std::numeric_limits<float>::max();  // infinity in bf16
  EXPECT_NO_THROW((void)load(DType::f32, DType::f32));
  try {
    (void)load(DType::f32, DType::bf16);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(matrix + "' has values too large for bf16: use --dtype f32"),
              std::string::npos)
        << error.what();
  }
}

// Gemma's norms multiply by 1 + weight.
TEST(RandomWeights, HaveNormsThatMultiplyByOne) {
  for (const auto& [model, expected] : {std::pair("gemma3_pattern", 0.0F), std::pair("llama_tiny", 1.0F)}) {
    Weights weights(read_model_config(test::parity_folder(model)), 1, DType::f32);
    const auto norm = weights.at(ParameterRole::final_norm).vector();
    EXPECT_TRUE(std::ranges::all_of(norm, [=](float value) { return value == expected; })) << model;
  }
}

}  // namespace
}  // namespace cola
