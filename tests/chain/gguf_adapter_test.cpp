#include "chain/gguf_adapter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "chain/exported_adapter.h"
#include "chain/tiny_checkpoint.h"
#include "core/error.h"
#include "io/gguf/gguf_writer.h"
#include "lora/adapter.h"
#include "model/family.h"
#include "model/gguf_tensors.h"
#include "support/files.h"

namespace cola {
namespace {

using test::TemporaryFolder;

/// Two blocks of 16 channels, four heads of 4 and two of keys: queries turn by neighbours in llama.cpp.
DecoderSpec llama_config(bool tied = false) {
  return parse_model_config({{"architectures", {"LlamaForCausalLM"}},
                             {"model_type", "llama"},
                             {"vocab_size", 10},
                             {"hidden_size", 16},
                             {"intermediate_size", 24},
                             {"num_hidden_layers", 2},
                             {"num_attention_heads", 4},
                             {"num_key_value_heads", 2},
                             {"max_position_embeddings", 32},
                             {"rms_norm_eps", 1e-5},
                             {"tie_word_embeddings", tied}},
                            "config.json");
}

LoraModule module_on(const std::string& name, std::int64_t out, std::int64_t rank, double scale,
                     std::uint64_t stream) {
  return {name, test::random_matrix(rank, 16, 2 * stream, 0.1F),
          test::random_matrix(out, rank, 2 * stream + 1, 0.1F), scale * static_cast<double>(rank), scale};
}

const std::string attention = "model.layers.1.self_attn.";

std::vector<float> floats_of(const GgufFile& file, const std::string& name) {
  std::vector<float> values(static_cast<std::size_t>(file.tensors().at(name).size()));
  read_as_f32(file.tensors().at(name), values);
  return values;
}

/// B A of a tensor of an adapter's file, [out][in].
std::vector<double> product_of(const GgufFile& file, const std::string& tensor) {
  const std::vector<float> a = floats_of(file, tensor + ".lora_a");
  const std::vector<float> b = floats_of(file, tensor + ".lora_b");
  const auto rank = static_cast<std::size_t>(file.tensors().at(tensor + ".lora_a").shape.at(0));
  const std::size_t cols = a.size() / rank;
  std::vector<double> product(b.size() / rank * cols);
  for (std::size_t i = 0; i < product.size(); ++i) {
    for (std::size_t k = 0; k < rank; ++k)
      product[i] += static_cast<double>(b[i / cols * rank + k]) * static_cast<double>(a[k * cols + i % cols]);
  }
  return product;
}

void expect_near(const std::vector<double>& values, const std::vector<double>& wanted, double tolerance) {
  ASSERT_EQ(values.size(), wanted.size());
  for (std::size_t i = 0; i < values.size(); ++i) ASSERT_NEAR(values[i], wanted[i], tolerance) << i;
}

/// Row i of llama.cpp's order is row order[i] of Hugging Face's.
std::vector<double> in_file_order(const std::vector<double>& matrix, const std::vector<std::size_t>& order) {
  const std::size_t cols = matrix.size() / order.size();
  std::vector<double> result;
  for (const std::size_t row : order)
    for (std::size_t col = 0; col < cols; ++col) result.push_back(matrix[row * cols + col]);
  return result;
}
const std::vector<std::size_t> query_order{0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15};
const std::vector<std::size_t> key_order{0, 2, 1, 3, 4, 6, 5, 7};

TEST(GgufAdapter, HasEveryModulesOwnRankWithItsFactorInB) {
  const TemporaryFolder folder;
  Link link;
  link.modules.push_back(module_on(attention + "q_proj", 16, 2, 3.0, 1));
  link.modules.push_back(module_on(attention + "v_proj", 8, 5, 0.5, 2));
  link.modules.push_back(module_on("lm_head", 10, 1, 1.0, 3));
  write_gguf_adapter(folder / "x.gguf", link, llama_config(), nullptr);
  const GgufFile file(folder / "x.gguf");
  EXPECT_EQ(file.keys().at<std::string_view>("general.type"), "adapter");
  EXPECT_EQ(file.keys().at<std::string_view>("general.architecture"), "llama");
  EXPECT_EQ(file.keys().at<std::string_view>("adapter.type"), "lora");
  EXPECT_FALSE(file.keys().has("adapter.lora.alpha"));
  EXPECT_EQ(file.order(),
            (std::vector<std::string>{"blk.1.attn_q.weight.lora_a", "blk.1.attn_q.weight.lora_b",
                                      "blk.1.attn_v.weight.lora_a", "blk.1.attn_v.weight.lora_b",
                                      "output.weight.lora_a", "output.weight.lora_b"}));
  EXPECT_EQ(file.find("blk.1.attn_v.weight.lora_a")->shape, (std::vector<std::int64_t>{5, 16}));
  EXPECT_EQ(file.find("blk.1.attn_v.weight.lora_b")->shape, (std::vector<std::int64_t>{8, 5}));
  expect_near(product_of(file, "blk.1.attn_q.weight"),
              in_file_order(test::delta_of(link, attention + "q_proj"), query_order), 1e-8);
  expect_near(product_of(file, "blk.1.attn_v.weight"), test::delta_of(link, attention + "v_proj"), 1e-8);
}

TEST(GgufAdapter, OfAChainIsTheSumOfItsLinks) {
  const TemporaryFolder folder;
  std::vector<Link> links(2);
  links[0].modules.push_back(module_on(attention + "k_proj", 8, 2, 3.0, 1));
  links[1].modules.push_back(module_on(attention + "k_proj", 8, 3, 0.25, 2));
  auto sum = test::delta_of(links[0], attention + "k_proj");
  const auto second = test::delta_of(links[1], attention + "k_proj");
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += second[i];
  write_gguf_adapter(folder / "x.gguf", joined(std::move(links)), llama_config(), nullptr);
  const GgufFile file(folder / "x.gguf");
  EXPECT_EQ(file.find("blk.1.attn_k.weight.lora_a")->shape.front(), 5);
  expect_near(product_of(file, "blk.1.attn_k.weight"), in_file_order(sum, key_order), 1e-8);
}

/// A base model's file of which only the names are looked at.
void write_base(const std::filesystem::path& path, const std::vector<std::string>& names) {
  std::vector<TensorToWrite> tensors;
  for (const std::string& name : names) {
    tensors.push_back(
        {name, DType::f32, {1}, [](std::span<std::byte> bytes) { std::ranges::fill(bytes, std::byte{0}); }});
  }
  write_gguf(path, {}, tensors);
}

TEST(GgufAdapter, IsBlockDiagonalWhereTheBaseHasOneMatrix) {
  const TemporaryFolder folder;
  write_base(folder / "base.gguf", {"blk.1.attn_qkv.weight", "blk.1.attn_output.weight"});
  const GgufFile base(folder / "base.gguf");
  Link link;
  link.modules.push_back(module_on(attention + "q_proj", 16, 2, 2.0, 1));
  link.modules.push_back(module_on(attention + "v_proj", 8, 3, 0.5, 2));
  link.modules.push_back(module_on(attention + "o_proj", 16, 1, 1.0, 3));
  write_gguf_adapter(folder / "x.gguf", link, llama_config(), &base);
  const GgufFile file(folder / "x.gguf");
  EXPECT_EQ(file.order().size(), 4U);
  EXPECT_EQ(file.find("blk.1.attn_qkv.weight.lora_a")->shape, (std::vector<std::int64_t>{5, 16}));
  EXPECT_EQ(file.find("blk.1.attn_qkv.weight.lora_b")->shape, (std::vector<std::int64_t>{32, 5}));
  std::vector<double> wanted = in_file_order(test::delta_of(link, attention + "q_proj"), query_order);
  wanted.resize(wanted.size() + 8 * 16);  // keys have no adapter
  const auto value = test::delta_of(link, attention + "v_proj");
  wanted.insert(wanted.end(), value.begin(), value.end());
  expect_near(product_of(file, "blk.1.attn_qkv.weight"), wanted, 1e-8);
}

TEST(GgufAdapter, RefusesWhatLlamaCppCannotApply) {
  const TemporaryFolder folder;
  const auto refusal = [&](const Link& link, const DecoderSpec& config, const GgufFile* base = nullptr) {
    try {
      write_gguf_adapter(folder / "x.gguf", link, config, base);
    } catch (const Error& error) {
      EXPECT_FALSE(std::filesystem::exists(folder / "x.gguf"));
      return std::string(error.what());
    }
    return std::string("nothing was refused");
  };
  const auto expect_refused = [](const std::string& error, std::string_view part) {
    EXPECT_NE(error.find(part), std::string::npos) << error;
  };
  Link head;
  head.modules.push_back(module_on("lm_head", 10, 1, 1.0, 1));
  expect_refused(refusal(head, llama_config(true)), "'lm_head': the head is tied to the token table");
  expect_refused(refusal(head, llama_config(true)), "use cola merge");
  Link bias;
  bias.modules.push_back(module_on(attention + "q_proj", 16, 1, 1.0, 1));
  bias.biases.push_back({attention + "q_proj", test::random_matrix(1, 16, 9, 1.0F)});
  expect_refused(refusal(bias, llama_config()), "q_proj': the adapter has trained biases");
  expect_refused(refusal(bias, llama_config()), "use cola merge");
  Link other;
  other.modules.push_back(module_on("model.layers.2.self_attn.q_proj", 16, 1, 1.0, 1));
  expect_refused(refusal(other, llama_config()), "'model.layers.2.self_attn.q_proj' is no linear layer");
  Link shape;
  shape.modules.push_back(module_on(attention + "k_proj", 16, 1, 1.0, 1));
  expect_refused(refusal(shape, llama_config()), "is for a weight [16, 16], but the base model has [8, 16]");
  Link huge;
  huge.modules.push_back(module_on(attention + "q_proj", 16, 1, 1e42, 1));
  expect_refused(refusal(huge, llama_config()), "q_proj': lora_B times its scale 1e+42 is not finite");
  expect_refused(refusal(test::random_link("q_proj", 1, 1.0, 1), test::tiny_config()),
                 "OPT models have no GGUF files here");
  write_base(folder / "base.gguf", {"blk.1.attn_k.weight"});
  const GgufFile base(folder / "base.gguf");
  Link query;
  query.modules.push_back(module_on(attention + "q_proj", 16, 1, 1.0, 1));
  expect_refused(refusal(query, llama_config(), &base), "tensor 'blk.1.attn_q.weight' is missing");
}

/// Adapters that llama.cpp's own converter wrote: its B A times the factor that PEFT gives the module is what
/// the export must hold, also where the converter loses the factor.
class GgufAdapterFixtures : public testing::TestWithParam<const char*> {};

TEST_P(GgufAdapterFixtures, HaveTheConvertersMatricesWithPeftsFactors) {
  const auto data = test::test_data();
  if (!data || !std::filesystem::exists(*data / "gguf")) GTEST_SKIP() << "needs COLA_TEST_DATA";
  const std::filesystem::path adapter = *data / "gguf/models" / GetParam();
  const std::filesystem::path model = adapter.parent_path();
  const DecoderSpec config = read_model_config(model / "hf");
  const Link link = read_adapter(adapter);
  const TemporaryFolder folder;
  const GgufFile base(model / "model-f32.gguf");
  const GgufFile converted(adapter / "adapter-f32.gguf");
  for (const GgufFile* file : {static_cast<const GgufFile*>(nullptr), &base}) {
    write_gguf_adapter(folder / "x.gguf", link, config, file);
    const GgufFile written(folder / "x.gguf");
    EXPECT_EQ(written.tensors().size(), converted.tensors().size());
    EXPECT_EQ(written.keys().at<std::string_view>("general.architecture"),
              converted.keys().at<std::string_view>("general.architecture"));
    const auto linears = linear_specs(config);
    for (const LoraModule& module : link.modules) {
      const std::string name = gguf_name(*std::ranges::find(linears, module.name, &ParameterSpec::module));
      std::vector<double> wanted = product_of(converted, name);
      for (double& value : wanted) value *= module.scale;
      expect_near(product_of(written, name), wanted, 1e-6);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Files, GgufAdapterFixtures,
                         testing::Values("llama/lora-plain", "llama/lora-rank_pattern",
                                         "llama/lora-alpha_pattern", "llama/lora-rslora", "phi3/lora-plain",
                                         "qwen2/lora-plain", "gemma3/lora-plain"));

}  // namespace
}  // namespace cola
