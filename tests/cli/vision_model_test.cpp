// The text part of a model that sees images, by the program.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "cli/program.h"
#include "io/json.h"
#include "io/safetensors_writer.h"
#include "io/tensor_source.h"
#include "support/parity.h"
#include "support/vision_names.h"

namespace cola {
namespace {

using std::filesystem::path;
using test::run_program;

std::string quoted(const path& file) { return "'" + file.string() + "'"; }

class VisionModel : public testing::Test {
 protected:
  void SetUp() override { test::write_parity_data(test::vision_model, folder_ / "train.jsonl"); }

  static path model() { return test::parity_folder(test::vision_model); }
  [[nodiscard]] path out(const std::string& name) const { return folder_ / name; }

  /// The run folder.
  path train(const std::string& options) {
    const auto result =
        run_program("train --model " + quoted(model()) + " --train " + quoted(folder_ / "train.jsonl") +
                    " --out " + quoted(out("run")) + " --max-steps 2 --batch-size 3 --quiet " + options);
    EXPECT_EQ(result.status, 0) << result.error;
    return out("run");
  }

  /// An adapter on the fixture's query projections, with other targets and keys.
  path adapter(const Json& targets, const std::function<std::string(const std::string&)>& key_of) {
    const path folder = out("adapter");
    std::filesystem::create_directories(folder);
    Json config = read_json_file(model() / "adapter" / "adapter_config.json");
    config["target_modules"] = targets;
    write_text_file(folder / "adapter_config.json", config.dump());
    const auto source = open_safetensors(model() / "adapter" / "adapter_model.safetensors");
    std::vector<TensorToWrite> tensors;
    for (const auto& [key, tensor] : source->tensors()) {
      if (key.find(".self_attn.q_proj.") == std::string::npos) continue;
      tensors.push_back({key_of(key), tensor.dtype, tensor.shape, [&](std::span<std::byte> bytes) {
                           std::copy_n(tensor.data, bytes.size(), bytes.begin());
                         }});
    }
    write_safetensors(folder / "adapter_model.safetensors", tensors);
    return folder;
  }

  test::TemporaryFolder folder_;
};

std::set<std::string> modules_in(const path& adapter) {
  std::set<std::string> modules;
  const auto source = open_safetensors(adapter / "adapter_model.safetensors");
  for (const auto& [key, tensor] : source->tensors()) {
    EXPECT_TRUE(key.starts_with("base_model.model.model.language_model.layers.")) << key;
    modules.insert(key.substr(std::string("base_model.model.").size(),
                              key.find(".lora_") - std::string("base_model.model.").size()));
  }
  return modules;
}

std::set<std::string> targets_in(const path& adapter) {
  return read_json_file(adapter / "adapter_config.json").at("target_modules").get<std::set<std::string>>();
}

TEST_F(VisionModel, ExportsNameTheTextPartAlone) {
  for (const std::string targets : {"", "--target-modules all-linear"}) {
    std::filesystem::remove_all(out("run"));
    std::filesystem::remove_all(out("exported"));
    const auto result =
        run_program("export --run " + quoted(train(targets)) + " --out " + quoted(out("exported")));
    ASSERT_EQ(result.status, 0) << result.error;
    const auto modules = modules_in(out("exported"));
    EXPECT_EQ(modules.size(), targets.empty() ? 8U : 28U);
    EXPECT_TRUE(modules.contains("model.language_model.layers.3.self_attn.v_proj"));
    EXPECT_EQ(targets_in(out("exported")), modules);
  }
}

TEST_F(VisionModel, FullFineTuningLeavesTheOtherPartsAlone) {
  const auto run = train("--method full");
  const auto before = open_checkpoint(model());
  const auto after = open_checkpoint(run / "last");
  ASSERT_EQ(after->tensors().size(), before->tensors().size());
  for (const auto& [name, tensor] : before->tensors()) {
    ASSERT_TRUE(after->tensors().contains(name)) << name;
    const bool same = test::floats_of(*before, name) == test::floats_of(*after, name);
    EXPECT_EQ(same, !name.starts_with("language_model.")) << name;
  }
}

TEST_F(VisionModel, ShortNamesInAnAdapterAreWrittenAsWholeOnes) {
  const auto from = adapter({"q_proj"}, [](const std::string& key) { return key; });
  const auto result = run_program("export --model " + quoted(model()) + " --adapter " + quoted(from) +
                                  " --out " + quoted(out("exported")));
  ASSERT_EQ(result.status, 0) << result.error;
  EXPECT_NE(result.error.find("model.vision_tower.encoder.layers.0.self_attn.q_proj"), std::string::npos)
      << result.error;
  EXPECT_EQ(targets_in(out("exported")), modules_in(out("exported")));
}

TEST_F(VisionModel, AnAdapterOnTheVisionTowerIsRefused) {
  const auto from = adapter({"q_proj"}, [](std::string key) {
    const std::string first = "language_model.layers.0";
    if (const auto at = key.find(first); at != std::string::npos)
      key.replace(at, first.size(), "vision_tower.encoder.layers.0");
    return key;
  });
  const auto result = run_program("export --model " + quoted(model()) + " --adapter " + quoted(from) +
                                  " --out " + quoted(out("exported")));
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.error.find("vision_tower.encoder.layers.0.self_attn.q_proj.lora_A.weight' is not part of"),
            std::string::npos)
      << result.error;
}

TEST_F(VisionModel, InspectCountsTheTextPart) {
  const auto result = run_program("inspect --json --model " + quoted(model()));
  ASSERT_EQ(result.status, 0) << result.error;
  const Json report = parse_json(result.output, "output");
  std::int64_t text = 0;
  std::int64_t others = 0;
  const auto source = open_checkpoint(model());
  for (const auto& [name, tensor] : source->tensors())
    (name.starts_with("language_model.") ? text : others) += tensor.size();
  EXPECT_EQ(report.at("parameters"), text);
  EXPECT_EQ(report.at("other_parts").at("parameters"), others);
  const auto as_text = run_program("inspect --model " + quoted(model()));
  EXPECT_NE(as_text.output.find("(vision_tower, multi_modal_projector), which are left as they are"),
            std::string::npos)
      << as_text.output;
}

TEST_F(VisionModel, InitRefusesItsShapeAndTakesItsTextPart) {
  const auto refused =
      run_program("init --shape " + quoted(model() / "config.json") + " --out " + quoted(out("new")));
  EXPECT_EQ(refused.status, 2);
  EXPECT_NE(refused.error.find("vision_tower, multi_modal_projector"), std::string::npos) << refused.error;
  EXPECT_FALSE(std::filesystem::exists(out("new")));
  write_text_file(out("text.json"), read_json_file(model() / "config.json").at("text_config").dump());
  const auto made = run_program("init --shape " + quoted(out("text.json")) + " --out " + quoted(out("new")));
  EXPECT_EQ(made.status, 0) << made.error;
}

}  // namespace
}  // namespace cola
