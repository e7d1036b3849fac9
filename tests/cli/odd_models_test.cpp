// Models as people have them: a head that the configuration hides, dtypes that it misnames, values beyond a
// dtype, more positions than fit. Losses are those of tests/files/cases/README.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>
#include <sstream>

#include "cli/program.h"
#include "io/json.h"
#include "io/safetensors_writer.h"
#include "io/tensor_source.h"
#include "support/files.h"

namespace cola {
namespace {

using std::filesystem::path;
using test::run_program;

path cases() { return test::test_files() / "cases"; }
std::string quoted(const path& file) { return "'" + file.string() + "'"; }
std::string data() { return " --data " + quoted(cases() / "base/data.jsonl") + " --dtype f32 --json"; }

double loss_of(const path& model, const std::string& options = "") {
  const auto result = run_program("eval --model " + quoted(model) + data() + " " + options);
  EXPECT_EQ(result.status, 0) << result.error;
  return result.status == 0 ? parse_json(result.output, "output").at("loss").get<double>() : 0.0;
}

class OddModel : public testing::Test {
 protected:
  using Change = std::function<void(const std::string& name, std::vector<float>& values)>;

  /// A copy of tests/files/cases/NAME with these fields of config.json, its tensors after `change` as
  /// `dtype`, vectors as `vectors`.
  path copy(const std::string& name, const Json& fields, DType dtype = DType::f32, const Change& change = {},
            std::optional<DType> vectors = {}) {
    const path folder = folder_ / ("model" + std::to_string(++copies_));
    std::filesystem::create_directory(folder);
    Json config = read_json_file(cases() / name / "config.json");
    config.merge_patch(fields);  // null removes
    write_text_file(folder / "config.json", config.dump());
    std::vector<TensorToWrite> tensors;
    const auto source = open_checkpoint(cases() / name);
    for (const auto& [tensor_name, tensor] : source->tensors()) {
      const DType stored = tensor.shape.size() == 1 ? vectors.value_or(dtype) : dtype;
      tensors.push_back({tensor_name, stored, tensor.shape, [&, stored](std::span<std::byte> bytes) {
                           std::vector<float> values(static_cast<std::size_t>(tensor.size()));
                           read_as_f32(tensor, values);
                           if (change) change(tensor_name, values);
                           for (std::size_t i = 0; i < values.size(); ++i) {
                             if (stored == DType::bf16) {
                               reinterpret_cast<BFloat16*>(bytes.data())[i] = BFloat16(values[i]);
                             } else {
                               reinterpret_cast<float*>(bytes.data())[i] = values[i];
                             }
                           }
                         }});
    }
    write_checkpoint(folder, tensors, std::int64_t{1} << 40);
    return folder;
  }

  test::ProgramResult merge(const path& model, const std::string& options = "") {
    const std::string adapter = quoted(cases() / "base/adapter");
    return run_program("merge --model " + quoted(model) + " --adapter " + adapter + " --out " +
                       quoted(folder_ / "merged") + " " + options);
  }
  [[nodiscard]] path merged() const { return folder_ / "merged"; }

  static void expect_named_dtype(const path& folder, const std::string& name) {
    const Json config = read_json_file(folder / "config.json").flatten();
    int named = 0;
    for (const auto& [key, value] : config.items()) {
      if (!key.ends_with("/dtype") && !key.ends_with("/torch_dtype")) continue;
      EXPECT_EQ(value, name) << key;
      ++named;
    }
    EXPECT_GT(named, 0);
  }
  /// The dtypes that a written folder's config.json names, at any depth, and the file's.
  static void expect_dtype(const path& folder, const std::string& name, DType dtype) {
    expect_named_dtype(folder, name);
    const auto source = open_checkpoint(folder);
    for (const auto& [tensor_name, tensor] : source->tensors()) EXPECT_EQ(tensor.dtype, dtype) << tensor_name;
  }

  test::TemporaryFolder folder_;
  int copies_ = 0;
};

TEST_F(OddModel, AHeadOfItsOwnInATiedModelIsUsedAndSaid) {
  EXPECT_NEAR(loss_of(cases() / "tied_with_own_head/llama"), 5.423414866837514, 1e-5);
  EXPECT_NEAR(loss_of(cases() / "tied_with_own_head/opt"), 5.489594791759944, 1e-5);
  EXPECT_NEAR(loss_of(cases() / "tied_by_storage"), 5.549019256918539, 1e-5);
  EXPECT_NEAR(loss_of(copy("base/llama", {{"tie_word_embeddings", true}})), 5.541989895281128, 1e-5);
  const std::string model = " --model " + quoted(cases() / "tied_with_own_head/llama");
  const auto evaluated = run_program("eval" + model + data());
  EXPECT_NE(evaluated.error.find("lm_head.weight"), std::string::npos) << evaluated.error;
  EXPECT_NE(evaluated.error.find("tie_word_embeddings"), std::string::npos) << evaluated.error;
  const auto inspected = run_program("inspect --json" + model);
  EXPECT_EQ(parse_json(inspected.output, "output").at("tie_word_embeddings"), false);
  EXPECT_EQ(parse_json(inspected.output, "output").at("notes").size(), 1U);
}

TEST_F(OddModel, AHeadOfItsOwnStaysOneWhenItIsMerged) {
  for (const std::string name : {"llama", "opt"}) {
    const path model = cases() / "tied_with_own_head" / name;
    const path out = folder_ / name;
    const path adapter = folder_ / (name + "-adapter");
    const auto trained =
        run_program("train --method lora --target-modules lm_head,q_proj --lora-r 2 --max-steps 2 --model " +
                    quoted(model) + " --train " + quoted(cases() / "base/data.jsonl") +
                    " --dtype f32 --learning-rate 0.01 --out " + quoted(adapter));
    ASSERT_EQ(trained.status, 0) << trained.error;
    EXPECT_NE(trained.error.find("tie_word_embeddings"), std::string::npos) << trained.error;
    const auto result = run_program("merge --run " + quoted(adapter) + " --out " + quoted(out));
    ASSERT_EQ(result.status, 0) << result.error;
    EXPECT_NE(result.error.find("tie_word_embeddings"), std::string::npos) << result.error;
    EXPECT_EQ(read_json_file(out / "config.json").at("tie_word_embeddings"), false);
    const double adapted = loss_of(model, "--adapter " + quoted(adapter / "last"));
    EXPECT_NEAR(loss_of(out), adapted, 1e-6);
    EXPECT_GT(std::abs(adapted - loss_of(model)), 1e-5);
  }
}

TEST_F(OddModel, AHeadOfItsOwnIsTrainedAsOne) {
  const path run = folder_ / "run";
  const auto trained =
      run_program("train --method full --max-steps 3 --learning-rate 0.01 --model " +
                  quoted(cases() / "tied_with_own_head/llama") + " --train " +
                  quoted(cases() / "base/data.jsonl") + " --dtype f32 --json --out " + quoted(run));
  ASSERT_EQ(trained.status, 0) << trained.error;
  EXPECT_EQ(parse_json(trained.output, "output").at("trained_parameters"),
            28'832);  // 128 * 32 more than tied
  EXPECT_EQ(read_json_file(run / "last/config.json").at("tie_word_embeddings"), false);
  const auto before = open_checkpoint(cases() / "tied_with_own_head/llama");
  const auto after = open_checkpoint(run / "last");
  for (const std::string name : {"lm_head.weight", "model.embed_tokens.weight"}) {
    const auto& was = before->tensors().at(name);
    const auto& is = after->tensors().at(name);
    EXPECT_FALSE(std::equal(is.data, is.data + is.bytes, was.data)) << name;
  }
}

TEST_F(OddModel, RotaryFieldsGiveTheLossesOfTransformers) {
  const Json llama3 = {{"rope_type", "llama3"},
                       {"factor", 8.0},
                       {"low_freq_factor", 1.0},
                       {"high_freq_factor", 4.0},
                       {"original_max_position_embeddings", 64}};
  EXPECT_NEAR(loss_of(copy("base/llama", {{"rope_scaling", llama3}})), 5.5364556, 1e-5);
  EXPECT_NEAR(loss_of(copy("base/llama", {{"rope_scaling", {{"type", "linear"}, {"factor", 4.0}}}})),
              5.5186131, 1e-5);
  EXPECT_NEAR(
      loss_of(copy("base/llama", {{"rope_theta", nullptr},
                                  {"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 500}}}})),
      5.5709592, 1e-5);
}

// What they cost: tests/model/rotary_table_test.cpp.
TEST_F(OddModel, MillionsOfPositionsAreRead) {
  const path folder = cases() / "many_positions";
  EXPECT_NEAR(loss_of(folder / "model", "--adapter " + quoted(folder / "adapter")), 5.242053935515918, 1e-5);
}

TEST_F(OddModel, EveryDtypeFieldNamesTheWrittenDtype) {
  const path both = copy("base/llama",
                         {{"torch_dtype", "bfloat16"},
                          {"dtype", "bfloat16"},
                          {"text_config", {{"dtype", "bfloat16"}, {"inner", {{"torch_dtype", nullptr}}}}}},
                         DType::bf16);
  ASSERT_EQ(merge(both, "--merge-dtype f32").status, 0);
  expect_dtype(merged(), "float32", DType::f32);
  std::filesystem::remove_all(merged());
  ASSERT_EQ(merge(copy("base/llama", {{"torch_dtype", nullptr}, {"dtype", "bfloat16"}})).status, 0);
  expect_dtype(merged(), "float32", DType::f32);  // as the file, whatever its configuration said
  std::filesystem::remove_all(merged());
  ASSERT_EQ(merge(copy("base/llama", {{"torch_dtype", nullptr}}), "--merge-dtype f16").status, 0);
  expect_dtype(merged(), "float16", DType::f16);  // and where it said nothing
  std::filesystem::remove_all(merged());
  ASSERT_EQ(merge(copy("base/llama", {{"torch_dtype", "bfloat16"}}, DType::bf16, {}, DType::f32)).status, 0);
  expect_named_dtype(merged(),
                     "float32");  // norms in f32 among bf16 matrices: a reader of bf16 would round them
}

TEST_F(OddModel, ValuesBeyondTheWrittenDtypeAreRefused) {
  const path large = copy("base/llama", Json::object(), DType::bf16,
                          [](const std::string& name, std::vector<float>& values) {
                            if (name == "model.layers.1.mlp.down_proj.weight") values[7] = 70000.0F;
                          });
  const auto refused = merge(large, "--merge-dtype f16");
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(
      refused.error.find("'model.layers.1.mlp.down_proj.weight' holds 70144, which is too large for f16"),
      std::string::npos)
      << refused.error;
  EXPECT_NE(refused.error.find("--merge-dtype bf16 or f32"), std::string::npos) << refused.error;
  EXPECT_FALSE(std::filesystem::exists(merged()));
  EXPECT_EQ(merge(large).status, 0);
}

TEST_F(OddModel, SumsBeyondF32AreRefused) {
  const path large =
      copy("base/llama", Json::object(), DType::f32, [](const std::string& name, std::vector<float>& values) {
        if (name.ends_with("q_proj.weight")) std::ranges::fill(values, 3.4028234e38F);
      });
  const path adapter = folder_ / "adapter";
  std::filesystem::copy(cases() / "base/adapter", adapter);
  Json config = read_json_file(adapter / "adapter_config.json");
  config["lora_alpha"] = 1e36;
  write_text_file(adapter / "adapter_config.json", config.dump());
  for (const std::string& verb : {"merge --out " + quoted(merged()), "eval" + data()}) {
    const auto refused = run_program(verb + " --model " + quoted(large) + " --adapter " + quoted(adapter));
    EXPECT_EQ(refused.status, 1) << verb;
    EXPECT_NE(refused.error.find("q_proj"), std::string::npos) << refused.error;
  }
  EXPECT_FALSE(std::filesystem::exists(merged()));
}

TEST_F(OddModel, ValuesThatAreNotFiniteAreRefusedByEveryVerb) {
  const path broken = copy("base/llama", Json::object(), DType::bf16,
                           [](const std::string& name, std::vector<float>& values) {
                             if (name == "model.layers.0.mlp.up_proj.weight")
                               values[33] = -std::numeric_limits<float>::infinity();
                           });
  const std::string model = " --model " + quoted(broken);
  const path run = folder_ / "run";
  const std::string training =
      " --train " + quoted(cases() / "base/data.jsonl") + " --max-steps 2 --out " + quoted(run);
  for (const std::string& verb :
       {"merge --adapter " + quoted(cases() / "base/adapter") + " --out " + quoted(merged()) + model,
        "eval" + data() + model, "inspect" + model, "train --method lora" + model + training,
        "train --method full" + model + training}) {
    const auto refused = run_program(verb);
    EXPECT_EQ(refused.status, 1) << verb;
    EXPECT_NE(refused.error.find(
                  "model.safetensors: tensor 'model.layers.0.mlp.up_proj.weight' holds -inf at [1, 1]"),
              std::string::npos)
        << verb << ": " << refused.error;
  }
  EXPECT_FALSE(std::filesystem::exists(merged()));
  EXPECT_FALSE(std::filesystem::exists(run));
}

class RoundedRun : public OddModel {
 protected:
  /// A run of full fine-tuning of a bf16 model with steps that bf16 mostly loses.
  test::ProgramResult train(const std::string& options) {
    const path model = copy("base/llama", {{"torch_dtype", "bfloat16"}}, DType::bf16);
    const std::string file = quoted(cases() / "base/data.jsonl");
    return run_program("train --method full --max-steps 20 --dtype f32 --model " + quoted(model) +
                       " --train " + file + " --dev " + file + " --out " + quoted(run()) + " " + options);
  }
  [[nodiscard]] path run() const { return folder_ / "run"; }
  void expect_claimed_loss(const std::string& state) {
    const Json claimed = read_json_file(run() / state / "cola_state.json");
    EXPECT_NEAR(loss_of(run() / state), claimed.at("dev_loss").get<double>(), 1e-6) << state;
  }
  /// The last event of this kind in log.jsonl.
  [[nodiscard]] Json event(const std::string& kind) const {
    Json found;
    std::istringstream log(read_text_file(run() / "log.jsonl"));
    for (std::string line; std::getline(log, line);) {
      Json json = parse_json(line, "log.jsonl");
      if (json.at("event") == kind) found = json;
    }
    return found;
  }
};

TEST_F(RoundedRun, ClaimsTheLossOfWhatItSaves) {
  const auto trained = train("--json");
  ASSERT_EQ(trained.status, 0) << trained.error;
  for (const char* state : {"best", "last"}) {
    expect_claimed_loss(state);
    expect_dtype(run() / state, "bfloat16", DType::bf16);
    EXPECT_GT(read_json_file(run() / state / "cola_state.json").at("relative_rounding_error"), 0.1);
  }
  EXPECT_EQ(event("eval").at("rounded_to"), "bf16");
  EXPECT_NEAR(loss_of(run() / "last"), event("eval").at("dev_loss").get<double>(), 1e-6);
  EXPECT_NE(trained.error.find("rounding to bf16"), std::string::npos) << trained.error;
  EXPECT_NE(trained.error.find("--save-dtype f32"), std::string::npos) << trained.error;
  EXPECT_GT(parse_json(trained.output, "output").at("relative_rounding_error"), 0.1);
}

TEST_F(RoundedRun, KeepsEverythingInF32) {
  const auto trained = train("--save-dtype f32");
  ASSERT_EQ(trained.status, 0) << trained.error;
  for (const char* state : {"best", "last"}) {
    expect_claimed_loss(state);
    expect_dtype(run() / state, "float32", DType::f32);
  }
  EXPECT_FALSE(event("eval").contains("rounded_to"));
  EXPECT_EQ(trained.error.find("rounding"), std::string::npos) << trained.error;
}

// The trained weights are rounded to be evaluated and put back: how often makes no difference to the
// training.
TEST_F(RoundedRun, TrainsTheSameHoweverOftenItIsEvaluated) {
  ASSERT_EQ(train("--eval-steps 1").status, 0);
  const std::string often = read_text_file(run() / "last/model.safetensors");
  std::filesystem::remove_all(run());
  ASSERT_EQ(train("--eval-steps 20").status, 0);
  EXPECT_EQ(read_text_file(run() / "last/model.safetensors"), often);
}

TEST_F(RoundedRun, CanBeSavedInF32AfterAll) {
  ASSERT_EQ(train("").status, 0);
  const auto resumed = run_program("train --resume --save-dtype f32 --out " + quoted(run()));
  ASSERT_EQ(resumed.status, 0) << resumed.error;
  expect_dtype(run() / "last", "float32", DType::f32);
}

}  // namespace
}  // namespace cola
