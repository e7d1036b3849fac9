// What a user may type or have on disk that cannot work: status 1 or 2, an error of one or two lines that
// names the cause, and nothing left behind.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <functional>
#include <vector>

#include "cli/program.h"
#include "support/files.h"

namespace cola {
namespace {

using std::filesystem::path;

void put(const path& file, const std::string& bytes) { std::ofstream(file, std::ios::binary) << bytes; }

void replace_in(const path& file, const std::string& from, const std::string& to) {
  std::string text = read_text_file(file);
  const auto place = text.find(from);
  ASSERT_NE(place, std::string::npos) << from;
  put(file, text.replace(place, from.size(), to));
}

std::string safetensors(std::uint64_t claimed, const std::string& header, std::size_t data) {
  std::string bytes(sizeof(claimed), '\0');
  std::memcpy(bytes.data(), &claimed, sizeof(claimed));
  return bytes + header + std::string(data, '\0');
}

struct Case {
  std::string name;
  int status;
  std::string expected;                     ///< part of the error
  std::string options;                      ///< beside --model, --train, --out
  std::function<void(const path&)> damage;  ///< of the folder with model/ and train.jsonl
};

Case with_data(const std::string& name, const std::string& expected, const std::string& text) {
  return {name, 1, expected, "", [text](const path& folder) { put(folder / "train.jsonl", text); }};
}

Case with_weights(const std::string& name, const std::string& bytes) {
  return {name, 1, "model.safetensors", "",
          [bytes](const path& folder) { put(folder / "model/model.safetensors", bytes); }};
}

Case with_option(const std::string& name, const std::string& expected, const std::string& options) {
  return {name, 2, expected, options, [](const path&) {}};
}

/// Protocol 2: the global `os.system` called with a string, as a PyTorch .bin never does.
std::string foreign_pickle() {
  return "\x80\x02"
         "cos\nsystem\nX\x04\x00\x00\x00"
         "echo\x85R.";
}

std::vector<Case> all_cases() {
  const std::string line = "{\"input_ids\":[5,6,7]}\n";
  const std::string overlapping =
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})";
  return {
      {"TruncatedWeights", 1, "model.safetensors", "",
       [](const path& folder) { std::filesystem::resize_file(folder / "model/model.safetensors", 100000); }},
      with_weights("HeaderOf2To60Bytes", safetensors(std::uint64_t{1} << 60, "{}", 8)),
      with_weights("OverlappingTensors", safetensors(overlapping.size(), overlapping, 12)),
      with_weights("EmptyWeights", ""),
      {"ForeignClassInAPickle", 1, "pytorch_model.bin", "",
       [](const path& folder) {
         std::filesystem::remove(folder / "model/model.safetensors");
         put(folder / "model/pytorch_model.bin", foreign_pickle());
       }},
      with_data("MalformedLine", "train.jsonl:2", line + "{\"input_ids\": [1,\n"),
      with_data("EmptyFile", "train.jsonl", ""),
      with_data("LabelsLongerThanIds", "labels", R"({"input_ids":[5,6],"labels":[5,6,7]})"),
      with_data("IdOutsideTheVocabulary", "512", R"({"input_ids":[5,512],"labels":[5,6]})"),
      with_data("NoTrainableToken", "train", R"({"input_ids":[5,6],"labels":[-100,-100]})"),
      {"HeadsThatDoNotDivide", 1, "num_attention_heads", "",
       [](const path& folder) {
         replace_in(folder / "model/config.json", "\"num_attention_heads\": 4", "\"num_attention_heads\": 5");
       }},
      {"NegativeSize", 1, "num_hidden_layers", "",
       [](const path& folder) {
         replace_in(folder / "model/config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": -2");
       }},
      with_option("UnknownTargetModule", "w_proj", "--target-modules w_proj"),
      with_option("RankAboveTheMatrix", "rank 65", "--lora-r 65"),
      with_option("KnotPastTheEnd", "--knots", "--max-steps 4 --knots 4"),
      with_option("KnotsNotIncreasing", "--knots", "--max-steps 9 --knots 5,3"),
      with_option("UnknownOption", "--learning-rat", "--learning-rat 1"),
      {"NanLoss", 1, "step ", "--learning-rate 3e38 --max-grad-norm 0 --max-steps 9 --save-steps 1",
       [](const path&) {}},
  };
}

void PrintTo(const Case& one, std::ostream* stream) { *stream << one.name; }

class BadInput : public testing::TestWithParam<Case> {};

TEST_P(BadInput, EndsWithAnError) {
  const test::TemporaryFolder folder;
  std::filesystem::create_directory(folder / "model");
  for (const char* file : {"config.json", "model.safetensors"}) {
    std::filesystem::copy_file(test::test_files() / "parity/opt_tiny" / file, folder / "model" / file);
  }
  put(folder / "train.jsonl", "{\"input_ids\":[5,6,7,8]}\n{\"input_ids\":[9,10,11]}\n");
  GetParam().damage(folder.path());
  const std::string root = folder.path().string();
  const auto result =
      test::run_program("train --model " + root + "/model --train " + root + "/train.jsonl --out " + root +
                        "/run --dtype f32 --threads 1 " + GetParam().options);
  EXPECT_EQ(result.status, GetParam().status) << result.error;
  EXPECT_EQ(result.output, "");
  EXPECT_NE(result.error.find(GetParam().expected), std::string::npos) << result.error;
  if (GetParam().name ==
      "NanLoss") {  // found while running; the checkpoint of the weights that gave it is no good
    EXPECT_NE(result.error.find("there is no checkpoint from before"), std::string::npos) << result.error;
    return;
  }
  EXPECT_LE(std::ranges::count(result.error, '\n'), 2) << result.error;
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
}

INSTANTIATE_TEST_SUITE_P(Cases, BadInput, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace cola
