// Files that are damaged, hostile or contradictory: a clear error of one or two lines, and no run folder.
#include <gtest/gtest.h>

#include <functional>

#include "small_run.h"

namespace cola {
namespace {

struct Case {
  std::string name;
  std::vector<std::string> expected;  ///< parts of the error
  std::function<void(TrainOptions&)> damage;
};

std::string header_of(std::uint64_t bytes, const std::string& json, std::size_t data) {
  std::string text(sizeof(bytes), '\0');
  std::memcpy(text.data(), &bytes, sizeof(bytes));
  return text + json + std::string(data, '\0');
}

Case model_file(const std::string& name, std::vector<std::string> expected, const std::string& content) {
  return {name, std::move(expected), [content](TrainOptions& options) {
            test::write_text_file_at(options.model / "model.safetensors", content);
          }};
}

Case config(const std::string& name, std::vector<std::string> expected, const std::string& key, Json value) {
  return {name, std::move(expected), [=](TrainOptions& options) {
            Json json = read_json_file(options.model / "config.json");
            json[key] = value;
            test::write_text_file_at(options.model / "config.json", json.dump());
          }};
}

Case data(const std::string& name, std::vector<std::string> expected, const std::string& text) {
  return {name, std::move(expected),
          [text](TrainOptions& options) { test::write_text_file_at(options.train.front(), text); }};
}

std::vector<Case> all_cases() {
  const std::string good = R"({"input_ids":[5,6,7],"labels":[5,6,7]})"
                           "\n";
  const std::string overlapping =
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})";
  return {
      {"TruncatedWeights",
       {"model.safetensors"},
       [](TrainOptions& o) { std::filesystem::resize_file(o.model / "model.safetensors", 100000); }},
      model_file("HugeHeader", {"model.safetensors"}, header_of(std::uint64_t{1} << 60, "{}", 8)),
      model_file("OverlappingTensors", {"model.safetensors"}, header_of(overlapping.size(), overlapping, 12)),
      model_file("EmptyWeights", {"model.safetensors"}, ""),
      {"NoModel", {"no-model"}, [](TrainOptions& o) { o.model = o.model.parent_path() / "no-model"; }},
      config("HeadsDoNotDivide", {"config.json", "num_attention_heads"}, "num_attention_heads", 5),
      config("NegativeLayers", {"config.json", "num_hidden_layers"}, "num_hidden_layers", -1),
      config("HugeVocabulary", {"vocab"}, "vocab_size", std::int64_t{1} << 60),
      config("WrongType", {"config.json", "hidden_size"}, "hidden_size", "64"),
      config("UnknownArchitecture", {"config.json", "mamba"}, "model_type", "mamba"),
      data("MalformedLine", {"train.jsonl:2"}, good + "{\"input_ids\": [1,\n"),
      data("EmptyData", {"train.jsonl"}, ""),
      data("LongerLabels", {"train.jsonl:2", "labels"}, good + R"({"input_ids":[5,6],"labels":[5,6,7]})"),
      data("IdOutside", {"train.jsonl:1", "512"}, R"({"input_ids":[5,512],"labels":[5,6]})"),
      data("LabelOutside", {"train.jsonl:1"}, R"({"input_ids":[5,6],"labels":[5,-7]})"),
      data("NothingTrained", {"train.jsonl", "train"}, R"({"input_ids":[5,6],"labels":[-100,-100]})"),
      data("TextWithoutTokenizer", {"tokenizer"}, R"({"text":"hello"})"),
      {"NoData",
       {"none.jsonl"},
       [](TrainOptions& o) { o.train = {o.train.front().parent_path() / "none.jsonl"}; }},
      {"DataIsAFolder", {"model"}, [](TrainOptions& o) { o.train = {o.model}; }},
      {"UnknownModule", {"w_proj"}, [](TrainOptions& o) { o.target_modules = {"w_proj"}; }},
      {"RankTooHigh", {"rank 65"}, [](TrainOptions& o) { o.lora_r = 65; }},
      {"MaxLengthTooLong", {"--max-length"}, [](TrainOptions& o) { o.max_length = 129; }},
      {"NoAdapter", {"adapter_config.json"}, [](TrainOptions& o) { o.initial_link = {o.model}; }},
      {"ExtendNoRun", {"chain.json"}, [](TrainOptions& o) { o.extend = o.model; }},
  };
}

void PrintTo(const Case& one, std::ostream* stream) { *stream << one.name; }

class BadInput : public testing::TestWithParam<Case> {};

TEST_P(BadInput, IsRefused) {
  const test::TemporaryFolder folder;
  auto options = test::small_options(folder.path());
  options.model = folder / "model";
  std::filesystem::create_directory(options.model);
  for (const char* file : {"config.json", "model.safetensors"})
    std::filesystem::copy_file(test::parity_folder("opt_tiny") / file, options.model / file);
  GetParam().damage(options);
  const auto error = test::error_of(options);
  EXPECT_TRUE(test::contains_all(error, GetParam().expected)) << error;
  EXPECT_LE(std::ranges::count(error, '\n'), 1) << error;
  EXPECT_FALSE(std::filesystem::exists(options.out));
}

INSTANTIATE_TEST_SUITE_P(Cases, BadInput, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace cola
