#include "model/base_model.h"

#include <gtest/gtest.h>

#include <limits>

#include "core/error.h"
#include "io/files.h"
#include "model/checkpoint_files.h"
#include "model/weights.h"

namespace cola {
namespace {

using test::Checkpoint;

const std::string head = "lm_head.weight";

struct Tied {
  std::string model;
  std::string table;
};

class TiedModel : public testing::TestWithParam<Tied> {
 protected:
  void SetUp() override {
    config_ = read_json_file(test::parity_folder(GetParam().model) / "config.json");
    config_["tie_word_embeddings"] = true;
    tensors_ = test::parity_checkpoint(GetParam().model);
    tensors_.erase(head);
  }
  [[nodiscard]] const test::TensorValues& table() const { return tensors_.at(GetParam().table); }

  BaseModel open(const Checkpoint& tensors, std::int64_t max_shard_bytes = std::int64_t{1} << 40) {
    const auto folder = folder_ / std::to_string(++opened_);
    std::filesystem::create_directories(folder);
    test::write_tensors(folder, tensors, DType::f32, max_shard_bytes);
    write_text_file(folder / "config.json", config_.dump());
    return open_base_model(folder);
  }
  std::string refusal(const Checkpoint& tensors) {
    try {
      (void)open(tensors);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }
  void expect_own_head(const BaseModel& base) {
    EXPECT_FALSE(base.config.tie_word_embeddings);
    ASSERT_EQ(base.notes.size(), 1U);
    EXPECT_NE(base.notes[0].find("lm_head.weight"), std::string::npos);
    EXPECT_NE(base.notes[0].find("tie_word_embeddings"), std::string::npos);
  }
  void expect_tied(const BaseModel& base) {
    EXPECT_TRUE(base.config.tie_word_embeddings);
    EXPECT_TRUE(base.notes.empty());
  }

  test::TemporaryFolder folder_;
  Json config_;
  Checkpoint tensors_;
  int opened_ = 0;
};

TEST_P(TiedModel, WithoutAHeadOrWithAnEqualOneStaysTied) {
  expect_tied(open(tensors_));
  tensors_[head] = table();
  expect_tied(open(tensors_));
  auto zeros = tensors_;  // zeros of different signs are equal
  zeros.at(GetParam().table).values[3] = 0.0F;
  zeros.at(head).values[3] = -0.0F;
  expect_tied(open(zeros));
}

TEST_P(TiedModel, WithAnotherHeadIsUntied) {
  tensors_[head] = table();
  tensors_.at(head).values.back() += 0.001F;
  expect_own_head(open(tensors_));
  expect_own_head(open(tensors_, 4096));  // in shards
  Checkpoint without_prefix;
  for (const auto& [name, tensor] : tensors_)
    without_prefix[name.starts_with("model.") ? name.substr(6) : name] = tensor;
  auto base = open(without_prefix);
  expect_own_head(base);
  const auto last = static_cast<std::size_t>(table().values.size() - 1);
  const Weights weights(base.config, std::move(base.tensors), DType::f32);
  EXPECT_EQ(weights.at(head).vector().data()[last], tensors_.at(head).values[last]);
  EXPECT_EQ(weights.at(GetParam().table).vector().data()[last], table().values[last]);
}

TEST_P(TiedModel, UntiedByItsConfigurationNeedsNoNote) {
  tensors_[head] = table();
  config_["tie_word_embeddings"] = false;
  const auto base = open(tensors_);
  EXPECT_FALSE(base.config.tie_word_embeddings);
  EXPECT_TRUE(base.notes.empty());
}

TEST_P(TiedModel, RefusesAHeadOfAnotherShape) {
  tensors_[head] = table();
  auto& padded = tensors_.at(head);
  padded.shape[0] += 8;
  padded.values.resize(padded.values.size() + 8 * static_cast<std::size_t>(padded.shape[1]));
  const std::string message = refusal(tensors_);
  EXPECT_NE(message.find("tensor 'lm_head.weight' has shape"), std::string::npos) << message;
}

// A NaN is not equal to itself: two tables that hold it would differ, and one alone would count as another
// head.
TEST_P(TiedModel, RefusesToCompareWhatIsNotFinite) {
  tensors_[head] = table();
  for (const auto& name : {head, GetParam().table}) {
    auto broken = tensors_;
    broken.at(name).values[5] = std::numeric_limits<float>::quiet_NaN();
    const std::string message = refusal(broken);
    EXPECT_NE(message.find("'" + name + "'"), std::string::npos) << message;
    EXPECT_NE(message.find("nan at [0, 5]"), std::string::npos) << message;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, TiedModel,
                         testing::Values(Tied{"llama_tiny", "model.embed_tokens.weight"},
                                         Tied{"opt_tiny", "model.decoder.embed_tokens.weight"},
                                         Tied{"opt350_tiny",
                                              "model.decoder.embed_tokens.weight"}),  // with projections
                         [](const auto& info) { return info.param.model; });

// The dtypes of the two may differ: bf16 values are f32 and f16 values too, where they are in range.
TEST(TiedTables, AreComparedByValueAcrossDtypes) {
  const test::TemporaryFolder folder;
  Json config = read_json_file(test::parity_folder("llama_tiny") / "config.json");
  config["tie_word_embeddings"] = true;
  Checkpoint tensors = test::parity_checkpoint("llama_tiny");
  tensors.erase(head);
  const std::string name = "model.embed_tokens.weight";
  for (float& value : tensors.at(name).values) value = static_cast<float>(BFloat16(value));
  const auto opens_tied = [&](const Checkpoint& checkpoint) {
    std::vector<TensorToWrite> list;
    for (const auto& [each, tensor] : checkpoint) {
      list.push_back(each == head ? test::tensor_as<BFloat16>(each, tensor)
                                  : test::tensor_as<float>(each, tensor));
    }
    write_checkpoint(folder.path(), list, std::int64_t{1} << 40);
    write_text_file(folder / "config.json", config.dump());
    return open_base_model(folder.path()).config.tie_word_embeddings;
  };
  tensors[head] = tensors.at(name);
  EXPECT_TRUE(opens_tied(tensors));
  tensors.at(name).values[7] *= 1.0001F;  // no bf16 value: the head is a rounded copy, and another matrix
  EXPECT_FALSE(opens_tied(tensors));
}

}  // namespace
}  // namespace cola
