// What a GGUF file's keys mean, key by key, and that a configuration comes back from the keys it is written
// as.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "core/error.h"
#include "io/gguf/gguf_writer.h"
#include "model/base_format.h"
#include "model/family.h"
#include "model/gguf_checkpoint.h"
#include "model/gguf_tensors.h"
#include "model/model_config.h"
#include "model/rotary_table.h"
#include "support/files.h"
#include "support/parity.h"

namespace cola {
namespace {

using test::TemporaryFolder;

TensorToWrite zeros(const std::string& name, const std::vector<std::int64_t>& shape) {
  return {name, DType::f32, shape,
          [](std::span<std::byte> bytes) { std::ranges::fill(bytes, std::byte{0}); }};
}

/// A file with these keys, and tensors of zeros for every parameter of the model.
GgufFile file_of(const TemporaryFolder& folder, const DecoderSpec& spec, const GgufMetadata& keys) {
  std::vector<TensorToWrite> tensors = gguf_rotary_tensors(spec);
  for (const ParameterSpec& parameter : parameter_specs(spec))
    tensors.push_back(zeros(gguf_name(parameter), parameter.shape));
  const auto path = folder.path() / "model.gguf";
  write_gguf(path, keys, tensors);
  return GgufFile(path);
}

/// Families that are read from GGUF files, each with a small model.
std::vector<std::string> models_with_gguf() {
  std::vector<std::string> list;
  for (const std::string& model : test::models_of_all_families()) {
    const DecoderSpec spec = read_model_config(test::parity_folder(model));
    if (spec.family->gguf != nullptr && spec.family->gguf->config != nullptr) list.push_back(model);
  }
  return list;
}

/// The same with a score scale and layers without rotary as llama.cpp takes them, for which there are no
/// keys.
Json sayable(Json config) {
  if (config.contains("query_pre_attn_scalar")) config["query_pre_attn_scalar"] = config["head_dim"];
  if (config["model_type"] == "smollm3") {
    config.erase("no_rope_layers");
    config["no_rope_layer_interval"] = 4;
  }
  return config;
}

TEST(GgufConfig, IsRefusedWhereNoKeySaysIt) {
  const std::map<std::string, std::string> cases{{"gemma2_alternate", "query_pre_attn_scalar"},
                                                 {"gemma3_pattern", "query_pre_attn_scalar"},
                                                 {"smollm3_layers", "layers without rotary"}};
  for (const auto& [model, message] : cases) {
    SCOPED_TRACE(model);
    const Json config = read_config_json(test::parity_folder(model));
    const DecoderSpec spec = parse_model_config(config, model);
    GgufMetadata keys;
    std::vector<std::string> notes;
    try {
      spec.family->gguf->keys(spec, config, keys, notes);
      ADD_FAILURE() << "was taken";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
    }
  }
}

TEST(GgufConfig, ComesBackFromTheKeysThatItIsWrittenAs) {
  std::set<std::string_view> architectures;
  for (const std::string& model : models_with_gguf()) {
    SCOPED_TRACE(model);
    const Json config = sayable(read_config_json(test::parity_folder(model)));
    DecoderSpec spec = parse_model_config(config, model);
    GgufMetadata keys;
    std::vector<std::string> notes;
    spec.family->gguf->keys(spec, config, keys, notes);
    architectures.insert(spec.family->gguf->architecture);
    const TemporaryFolder folder;
    const GgufFile file = file_of(folder, spec, keys);
    DecoderSpec read = parse_model_config(config_of_gguf(file, notes), "model.gguf");
    // What llama.cpp has no key for, and does without.
    spec.dropout = spec.attention_dropout = read.dropout = read.attention_dropout = 0.0;
    spec.padding_index = read.padding_index = -1;
    EXPECT_EQ(read.hidden_size, spec.hidden_size);
    EXPECT_EQ(read.kind_of_block.size(), spec.kind_of_block.size());
    EXPECT_EQ(read.rotary_tables.size(), spec.rotary_tables.size());
    EXPECT_EQ(read.tie_word_embeddings, spec.tie_word_embeddings);
    EXPECT_EQ(read.embedding_scale, spec.embedding_scale);
    EXPECT_EQ(read.logit_scale, spec.logit_scale);
    EXPECT_EQ(read.logit_soft_cap, spec.logit_soft_cap);
    for (std::int64_t i = 0; i < spec.num_hidden_layers(); ++i) {
      EXPECT_EQ(read.block(i).norm.epsilon, spec.block(i).norm.epsilon);
      EXPECT_EQ(read.block(i).attention.rotary, spec.block(i).attention.rotary);
      EXPECT_EQ(read.block(i).attention.num_key_value_heads, spec.block(i).attention.num_key_value_heads);
      EXPECT_EQ(read.block(i).attention.head_dim, spec.block(i).attention.head_dim);
      EXPECT_FLOAT_EQ(read.block(i).attention.scale, spec.block(i).attention.scale);
      EXPECT_EQ(read.block(i).attention.soft_cap, spec.block(i).attention.soft_cap);
      EXPECT_EQ(read.block(i).residual_multiplier, spec.block(i).residual_multiplier);
      EXPECT_EQ(read.block(i).attention.window,
                spec.family->gguf->windows ? spec.block(i).attention.window : 0);
    }
    for (std::size_t i = 0; i < spec.rotary_tables.size(); ++i) {
      const auto expected = rotary_frequencies(spec.rotary_tables[i]);
      const auto actual = rotary_frequencies(read.rotary_tables[i]);
      ASSERT_EQ(actual.size(), expected.size());
      for (std::size_t j = 0; j < expected.size(); ++j)
        EXPECT_NEAR(actual[j], expected[j], 4e-6 * expected[j]);  // factors are kept in f32
      EXPECT_NEAR(rotary_attention_factor(read.rotary_tables[i]),
                  rotary_attention_factor(spec.rotary_tables[i]), 1e-6);
    }
  }
  EXPECT_EQ(architectures.size(), 9U);
}

/// A Llama of two layers, its keys to be changed.
struct LlamaKeys {
  std::map<std::string, GgufValue> values{
      {"general.architecture", std::string_view("llama")}, {"llama.context_length", std::uint32_t{64}},
      {"llama.embedding_length", std::uint32_t{32}},       {"llama.block_count", std::uint32_t{2}},
      {"llama.feed_forward_length", std::uint32_t{64}},    {"llama.attention.head_count", std::uint32_t{4}},
      {"llama.attention.layer_norm_rms_epsilon", 1e-5F}};

  [[nodiscard]] Json config(std::vector<std::string>& notes,
                            const std::vector<TensorToWrite>& more = {}) const {
    const TemporaryFolder folder;
    GgufMetadata keys;
    for (const auto& [key, value] : values) keys.add(key, value);
    std::vector<TensorToWrite> tensors{zeros("token_embd.weight", {16, 32})};
    tensors.insert(tensors.end(), more.begin(), more.end());
    const auto path = folder.path() / "model.gguf";
    write_gguf(path, keys, tensors);
    return config_of_gguf(GgufFile(path), notes);
  }
  [[nodiscard]] Json config() const {
    std::vector<std::string> notes;
    return config(notes);
  }
};

TEST(GgufConfig, TakesAbsentKeysAsLlamaCppDoes) {
  const Json config = LlamaKeys{}.config();
  EXPECT_EQ(config["num_key_value_heads"], 4);
  EXPECT_EQ(config["head_dim"], 8);
  EXPECT_EQ(config["rope_theta"], 10000.0);
  EXPECT_EQ(config["rms_norm_eps"], 1e-5);  // the shortest decimal that is the f32
  EXPECT_EQ(config["tie_word_embeddings"], true);
  EXPECT_FALSE(config.contains("rope_scaling"));
}

TEST(GgufConfig, FindsLlama3sScalingInItsFactors) {
  for (const double original : {32.0, 512.0, 8192.0}) {
    RotarySpec rotary;
    rotary.kind = RotarySpec::Kind::llama3;
    rotary.theta = 500000.0;
    rotary.rotary_dim = 8;
    rotary.factor = 8.0;
    rotary.original_max_position_embeddings = static_cast<std::int64_t>(original);
    DecoderSpec spec;
    spec.rotary_tables = {rotary};
    LlamaKeys keys;
    keys.values["llama.rope.freq_base"] = 500000.0F;
    std::vector<std::string> notes;
    const Json config = keys.config(notes, gguf_rotary_tensors(spec));
    RotarySpec read = rotary;
    read.original_max_position_embeddings =
        config["rope_scaling"]["original_max_position_embeddings"].get<std::int64_t>();
    read.high_freq_factor = config["rope_scaling"]["high_freq_factor"].get<double>();
    const auto expected = rotary_divisors(rotary);
    const auto actual = rotary_divisors(read);
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-5 * expected[i]);
  }
}

TEST(GgufConfig, RefusesByName) {
  struct Case {
    std::string key;
    std::optional<GgufValue> value;
    std::string message;
  };
  const std::vector<Case> cases{
      {"general.architecture", std::string_view("mamba"), "architecture 'mamba' is not supported"},
      {"general.architecture", std::nullopt, "'general.architecture' is missing"},
      {"general.type", std::string_view("adapter"), "no model"},
      {"llama.block_count", std::nullopt, "'llama.block_count' is missing"},
      {"llama.block_count", std::uint64_t{2}, "type u64 where u32 is expected"},
      {"llama.context_length", std::nullopt, "'llama.context_length' is missing"},
      {"llama.feed_forward_length", std::nullopt, "'llama.feed_forward_length' is missing"},
      {"llama.attention.layer_norm_rms_epsilon", std::nullopt, "epsilon' is missing"},
      {"llama.attention.head_count", std::uint32_t{0}, "head_count': it is 0"},
      {"llama.attention.value_length", std::uint32_t{4}, "values of another size"},
      {"llama.rope.dimension_count", std::uint32_t{4}, "not the head size 8"},
      {"llama.rope.scaling.type", std::string_view("longrope"), "'longrope' is not supported"},
      {"llama.expert_count", std::uint32_t{8}, "mixtures of experts"},
      {"llama.attention.causal", false, "only causal attention"},
  };
  for (const auto& [key, value, message] : cases) {
    SCOPED_TRACE(key);
    LlamaKeys keys;
    keys.values.erase(key);
    if (value) keys.values.insert({key, *value});
    try {
      (void)keys.config();
      ADD_FAILURE() << "was taken";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
    }
  }
}

TEST(GgufConfig, IsFoundWhateverTheFileIsCalled) {
  const TemporaryFolder folder;
  GgufMetadata keys;
  for (const auto& [key, value] : LlamaKeys{}.values) keys.add(key, value);
  const auto named = folder.path() / "model.gguf";
  write_gguf(named, keys, {zeros("token_embd.weight", {16, 32})});
  try {
    (void)read_model_config(folder.path());
    ADD_FAILURE() << "was taken";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("name one of them, as " + named.string()), std::string::npos);
  }
  const auto blob = folder.path() / "sha256-0123";
  std::filesystem::rename(named, blob);
  EXPECT_EQ(read_model_config(blob).hidden_size, 32);
}

TEST(GgufConfig, SaysWhatItDoesNotKnow) {
  LlamaKeys keys;
  keys.values.insert({"llama.attention.sink_count", std::uint32_t{3}});
  std::vector<std::string> notes;
  (void)keys.config(notes);
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_NE(notes.front().find("llama.attention.sink_count"), std::string::npos);
}

}  // namespace
}  // namespace cola
