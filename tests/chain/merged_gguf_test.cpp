#include "chain/merged_gguf.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>

#include "chain/merged_checkpoint.h"
#include "chain/tiny_checkpoint.h"
#include "core/error.h"
#include "io/gguf/gguf_file.h"
#include "io/gguf/gguf_writer.h"
#include "model/base_model.h"
#include "model/gguf_mixture.h"
#include "model/gguf_tensors.h"
#include "support/files.h"

namespace cola {
namespace {

using test::TemporaryFolder;

/// Models that llama.cpp's own converter made, of Hugging Face folders beside them.
class MergedGguf : public testing::Test {
 protected:
  void SetUp() override {
    const auto data = test::test_data();
    if (!data || !std::filesystem::exists(*data / "gguf")) GTEST_SKIP() << "needs COLA_TEST_DATA";
    fixtures_ = *data / "gguf";
  }
  [[nodiscard]] std::filesystem::path converted(const std::string& name) const {
    return fixtures_ / "models" / name / "model-f32.gguf";
  }
  [[nodiscard]] std::filesystem::path folder_of(const std::string& name) const {
    return fixtures_ / "models" / name / "hf";
  }
  MergeReport merge(const std::filesystem::path& base, std::vector<Link> links, std::optional<DType> type) {
    std::filesystem::remove(out());
    return write_merged_gguf(context_, base, std::move(links), {type, chat_}, out());
  }
  [[nodiscard]] std::filesystem::path out() const { return temporary_ / "out.gguf"; }

  std::filesystem::path fixtures_;
  TemporaryFolder temporary_;
  ops::Context context_;
  ChatFiles chat_;
};

/// On the linear layers of the last block whose names end so.
Link link_on(const std::filesystem::path& model, const std::vector<std::string>& layers) {
  const DecoderSpec config = read_model_config(model);
  Link link;
  std::uint64_t stream = 1;
  for (const ParameterSpec& spec : linear_specs(config)) {
    const bool is_target =
        std::ranges::any_of(layers, [&](const std::string& layer) { return spec.module().ends_with(layer); });
    if (!is_target || (spec.block >= 0 && spec.block + 1 != config.num_hidden_layers())) continue;
    link.modules.push_back({spec.module(), test::random_matrix(2, spec.shape[1], 2 * stream, 0.1F),
                            test::random_matrix(spec.shape[0], 2, 2 * stream + 1, 0.1F), 4.0, 2.0});
    ++stream;
  }
  return link;
}

bool same_bytes(const SourceTensor& a, const SourceTensor& b) {
  return a.dtype == b.dtype && a.shape == b.shape && a.bytes == b.bytes &&
         std::memcmp(a.data, b.data, a.bytes) == 0;
}

std::vector<float> floats_of(const SourceTensor& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.size()));
  read_as_f32(tensor, values);
  return values;
}

/// The names of the tensors that are not the same byte for byte, or are in one file only.
std::vector<std::string> differences(const GgufFile& a, const GgufFile& b) {
  std::set<std::string> names(a.order().begin(), a.order().end());
  names.insert(b.order().begin(), b.order().end());
  std::vector<std::string> different;
  for (const std::string& name : names) {
    if (a.find(name) == nullptr || b.find(name) == nullptr || !same_bytes(*a.find(name), *b.find(name)))
      different.push_back(name);
  }
  return different;
}

std::vector<std::string> key_names(const GgufFile& file) {
  std::vector<std::string> names;
  for (const auto& [key, value] : file.keys().all()) names.push_back(key);
  return names;
}

TEST_F(MergedGguf, KeepsWhatLinksDoNotChange) {
  for (const char* name : {"llama", "phi3", "gemma3"}) {
    SCOPED_TRACE(name);
    const bool fused = name == std::string("phi3");
    const Link link = link_on(converted(name), {fused ? "qkv_proj" : "q_proj", "down_proj"});
    ASSERT_EQ(link.modules.size(), 2U);
    const std::string block =
        "blk." + std::to_string(read_model_config(converted(name)).num_hidden_layers() - 1);
    std::vector<Link> links;
    links.push_back(copy_of(link));
    const MergeReport report = merge(converted(name), std::move(links), std::nullopt);
    EXPECT_EQ(report.modules, 2);
    EXPECT_GT(report.delta_norm, 0.0);
    EXPECT_EQ(report.changed_dtype, DType::f32);
    EXPECT_EQ(report.rounding_error_norm, 0.0);
    const GgufFile base(converted(name));
    const GgufFile merged(out());
    EXPECT_EQ(merged.order(), base.order());
    EXPECT_EQ(differences(base, merged),
              (std::vector<std::string>{block + (fused ? ".attn_qkv.weight" : ".attn_q.weight"),
                                        block + ".ffn_down.weight"}));
    EXPECT_EQ(merged.keys().at<std::uint32_t>("general.file_type"), 0U);
    for (const std::string& key : key_names(base)) {
      if (key == "general.quantization_version") continue;
      EXPECT_TRUE(merged.keys().has(key)) << key;
    }
    // The values are those of the merged folder of the same model.
    links.clear();
    links.push_back(copy_of(link));
    const auto folder = temporary_ / (std::string(name) + "-hf");
    write_merged_checkpoint(context_, folder_of(name), std::move(links), {DType::f32}, folder);
    const BaseModel from_file = open_base_model(out());
    const BaseModel from_folder = open_base_model(folder);
    for (const auto& [tensor, values] : from_folder.tensors->tensors())
      EXPECT_EQ(floats_of(from_file.tensors->tensors().at(tensor)), floats_of(values)) << tensor;
  }
}

/// A copy of the file with queries, keys and values of each block in one tensor, or, where they are, apart.
void rearrange(const std::filesystem::path& from, const std::filesystem::path& to) {
  const GgufFile file(from);
  const DecoderSpec config = read_model_config(from);
  const AttentionSpec& attention = config.block(0).attention;
  const std::array<std::pair<std::string_view, std::int64_t>, 3> parts{{{"attn_q", attention.query_width()},
                                                                        {"attn_k", attention.key_width()},
                                                                        {"attn_v", attention.key_width()}}};
  GgufMetadata keys;
  for (const auto& [key, value] : file.keys().all()) keys.add(key, value);
  std::vector<TensorToWrite> tensors;
  const auto add = [&](const std::string& name, const SourceTensor& like, std::int64_t rows,
                       std::vector<const std::byte*> sources, std::vector<std::size_t> sizes) {
    std::vector<std::int64_t> shape = like.shape;
    shape.front() = rows;
    tensors.push_back({name, like.dtype, shape, [=](std::span<std::byte> bytes) {
                         auto target = bytes.begin();
                         for (std::size_t i = 0; i < sources.size(); ++i)
                           target = std::copy_n(sources[i], sizes[i], target);
                       }});
  };
  for (const std::string& name : file.order()) {
    const SourceTensor& tensor = *file.find(name);
    const std::string block = name.substr(0, name.rfind(".attn_") + 1);
    if (name.ends_with(".attn_qkv.weight")) {
      const std::byte* at = tensor.data;
      for (const auto& [part, rows] : parts) {
        const std::size_t size =
            tensor.bytes / static_cast<std::size_t>(tensor.shape[0]) * static_cast<std::size_t>(rows);
        add(block + std::string(part) + ".weight", tensor, rows, {at}, {size});
        at += size;
      }
    } else if (name.ends_with(".attn_q.weight")) {
      const SourceTensor& key = *file.find(block + "attn_k.weight");
      const SourceTensor& value = *file.find(block + "attn_v.weight");
      add(block + "attn_qkv.weight", tensor, attention.query_width() + 2 * attention.key_width(),
          {tensor.data, key.data, value.data}, {tensor.bytes, key.bytes, value.bytes});
    } else if (!name.ends_with(".attn_k.weight") && !name.ends_with(".attn_v.weight")) {
      add(name, tensor, tensor.shape.front(), {tensor.data}, {tensor.bytes});
    }
  }
  write_gguf(to, keys, tensors);
}

/// Llama's three in one, and Phi-3's one in three: the base is read, and merged, as the file that it was.
TEST_F(MergedGguf, TakesQueriesKeysAndValuesTogetherOrApart) {
  for (const char* name : {"llama", "phi3"}) {
    SCOPED_TRACE(name);
    const auto other = temporary_ / (std::string(name) + "-other.gguf");
    rearrange(converted(name), other);
    const bool fused = name == std::string("phi3");
    const Link link = link_on(converted(name), {fused ? "qkv_proj" : "k_proj", "down_proj"});
    std::map<std::string, std::vector<float>> wanted;
    for (const auto& base : {converted(name), other}) {
      std::vector<Link> links;
      links.push_back(copy_of(link));
      merge(base, std::move(links), std::nullopt);
      EXPECT_EQ(GgufFile(out()).order(), GgufFile(base).order());
      const BaseModel merged = open_base_model(out());
      for (const auto& [tensor, values] : merged.tensors->tensors()) {
        const auto [expected, is_first] = wanted.emplace(tensor, floats_of(values));
        if (is_first) continue;
        EXPECT_EQ(floats_of(values), expected->second) << tensor;
      }
    }
  }
}

TEST_F(MergedGguf, OfAFolderIsTheConvertersFile) {
  for (const char* name :
       {"llama", "llama-bias", "qwen2", "qwen3", "phi3", "granite", "olmo2", "smollm3", "gemma2", "gemma3"}) {
    SCOPED_TRACE(name);
    merge(folder_of(name), {}, DType::f32);
    const GgufFile wanted(converted(name));
    const GgufFile written(out());
    EXPECT_EQ(differences(wanted, written), std::vector<std::string>());
    for (const auto& [key, value] : wanted.keys().all()) {
      if (key.starts_with("general.") || key.starts_with("tokenizer.")) continue;
      ASSERT_TRUE(written.keys().has(key)) << key;
      EXPECT_EQ(written.keys().value(key)->index(), value.index()) << key;
      if (!std::holds_alternative<GgufArray>(value)) {
        std::visit(
            [&]<class T>(const T& wanted_value) {
              if constexpr (!std::is_same_v<T, GgufArray>) {
                EXPECT_EQ(written.keys().at<T>(key), wanted_value) << key;
              }
            },
            value);
      }
    }
  }
}

TEST_F(MergedGguf, WritesTheMixtureThatLlamaCppMakes) {
  const auto quantised = fixtures_ / "quantised/model-q4_k_m.gguf";
  const DecoderSpec config = read_model_config(quantised);
  const GgufFile base(quantised);
  for (const ParameterSpec& spec : parameter_specs(config))
    EXPECT_EQ(gguf_dtype(config, spec, DType::q4_k), base.find(gguf_name(spec))->dtype) << spec.name;
  std::vector<Link> links;
  links.push_back(link_on(quantised, {"q_proj"}));
  const MergeReport report = merge(quantised, std::move(links), DType::q4_k);
  EXPECT_EQ(report.dtype, DType::q4_k);
  EXPECT_EQ(report.changed_dtype, DType::q4_k);
  EXPECT_GT(report.relative_rounding_error(), 0.0);
  EXPECT_EQ(differences(base, GgufFile(out())), std::vector<std::string>{"blk.7.attn_q.weight"});
  EXPECT_EQ(GgufFile(out()).keys().at<std::uint32_t>("general.file_type"), 15U);
  EXPECT_EQ(GgufFile(out()).keys().at<std::uint32_t>("general.quantization_version"), 2U);
}

TEST_F(MergedGguf, GivesChangedTensorsOfAQuantisedFile16Bits) {
  const auto quantised = fixtures_ / "quantised/model-q4_k_m.gguf";
  std::vector<Link> links;
  links.push_back(link_on(quantised, {"q_proj", "v_proj"}));
  const MergeReport report = merge(quantised, std::move(links), std::nullopt);
  const GgufFile base(quantised);
  const GgufFile merged(out());
  EXPECT_EQ(report.dtype, DType::q4_k);
  EXPECT_EQ(report.changed_dtype, DType::f16);
  EXPECT_LT(report.relative_rounding_error(), 1e-2);
  EXPECT_EQ(differences(base, merged),
            (std::vector<std::string>{"blk.7.attn_q.weight", "blk.7.attn_v.weight"}));
  EXPECT_EQ(merged.find("blk.7.attn_q.weight")->dtype, DType::f16);
  EXPECT_EQ(merged.keys().at<std::uint32_t>("general.file_type"),
            base.keys().at<std::uint32_t>("general.file_type"));
}

TEST_F(MergedGguf, ExpandsAFileToTheTypeAskedFor) {
  const auto quantised = fixtures_ / "quantised/model-q4_k_m.gguf";
  const GgufFile base(quantised);
  for (const auto& [type, label] : {std::pair(DType::f32, 0U), {DType::f16, 1U}, {DType::bf16, 32U}}) {
    merge(quantised, {}, type);
    const GgufFile merged(out());
    EXPECT_EQ(merged.keys().at<std::uint32_t>("general.file_type"), label);
    EXPECT_FALSE(merged.keys().has("general.quantization_version"));
    for (const std::string& name : base.order()) {
      const SourceTensor& tensor = *merged.find(name);
      EXPECT_EQ(tensor.dtype, tensor.shape.size() == 2 ? type : DType::f32) << name;
      if (type != DType::f32) continue;
      EXPECT_EQ(floats_of(tensor), floats_of(*base.find(name))) << name;
    }
  }
}

TEST_F(MergedGguf, UntiesTheHeadThatALinkChanges) {
  std::vector<Link> links;
  links.push_back(link_on(converted("qwen2"), {"lm_head"}));
  ASSERT_EQ(links.front().modules.size(), 1U);
  const MergeReport report = merge(converted("qwen2"), std::move(links), std::nullopt);
  EXPECT_TRUE(report.untied_head);
  EXPECT_EQ(differences(GgufFile(converted("qwen2")), GgufFile(out())),
            std::vector<std::string>{"output.weight"});
  EXPECT_FALSE(open_base_model(out()).config.tie_word_embeddings);
}

TEST_F(MergedGguf, RefusesAHeadThatLlamaCppWouldNotRead) {
  std::vector<Link> links;
  links.push_back(link_on(converted("gemma2"), {"lm_head"}));
  try {
    merge(converted("gemma2"), std::move(links), std::nullopt);
    ADD_FAILURE() << "nothing was refused";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("ties the head of Gemma 2 models"), std::string::npos);
  }
}

TEST_F(MergedGguf, HasTheHeadThatLlamaCppAsksFor) {
  std::filesystem::copy(folder_of("olmo2"), temporary_ / "tied");
  Json config = read_config_json(temporary_ / "tied");
  config["tie_word_embeddings"] = true;
  write_text_file(temporary_ / "tied/config.json", config.dump());
  std::vector<TensorToWrite> tensors;
  const auto source = open_checkpoint(folder_of("olmo2"));
  for (const auto& [name, tensor] : source->tensors()) {
    if (name == "lm_head.weight") continue;
    tensors.push_back({name, tensor.dtype, tensor.shape, [&from = tensor](std::span<std::byte> bytes) {
                         std::copy_n(from.data, bytes.size(), bytes.begin());
                       }});
  }
  write_checkpoint(temporary_ / "tied", tensors, std::int64_t{1} << 40);
  merge(temporary_ / "tied", {}, std::nullopt);
  const GgufFile merged(out());
  ASSERT_NE(merged.find("output.weight"), nullptr);
  EXPECT_TRUE(same_bytes(*merged.find("output.weight"), *merged.find("token_embd.weight")));
}

TEST_F(MergedGguf, SaysWhatTheAdaptersLearntOfChats) {
  chat_ = {"{{ messages }}", {2, 7}};
  merge(converted("llama"), {}, std::nullopt);
  const GgufFile from_file(out());
  EXPECT_EQ(from_file.keys().at<std::string_view>("tokenizer.chat_template"), "{{ messages }}");
  EXPECT_EQ(from_file.keys().at<std::uint32_t>("tokenizer.ggml.eos_token_id"), 2U);
  EXPECT_EQ(from_file.keys().at<std::uint32_t>("tokenizer.ggml.eot_token_id"), 7U);
  merge(folder_of("llama"), {}, std::nullopt);
  EXPECT_EQ(GgufFile(out()).keys().at<std::string_view>("tokenizer.chat_template"), "{{ messages }}");
}

TEST_F(MergedGguf, BecomesAFolder) {
  const auto quantised = fixtures_ / "quantised/model-q4_k_m.gguf";
  std::vector<Link> links;
  links.push_back(link_on(quantised, {"q_proj"}));
  const MergeReport report =
      write_merged_checkpoint(context_, quantised, std::move(links), {}, temporary_ / "hf");
  EXPECT_EQ(report.dtype, DType::f16);
  const BaseModel folder = open_base_model(temporary_ / "hf");
  const BaseModel file = open_base_model(quantised);
  EXPECT_EQ(folder.config.num_hidden_layers(), file.config.num_hidden_layers());
  for (const auto& [name, tensor] : folder.tensors->tensors()) {
    EXPECT_EQ(tensor.dtype, DType::f16) << name;
    if (name.find("layers.7.self_attn.q_proj") != std::string::npos) continue;
    std::vector<float> wanted = floats_of(file.tensors->tensors().at(name));
    for (float& value : wanted) value = static_cast<float>(Float16(value));
    EXPECT_EQ(floats_of(tensor), wanted) << name;
  }
  EXPECT_TRUE(std::filesystem::exists(temporary_ / "hf/tokenizer.json"));
}

TEST(MergedGgufOfOpt, IsRefused) {
  const TemporaryFolder folder;
  test::write_tiny_checkpoint(folder / "base", DType::f32);
  ops::Context context;
  try {
    write_merged_gguf(context, folder / "base", {}, {}, folder / "x.gguf");
    ADD_FAILURE() << "nothing was refused";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("OPT models have no GGUF files"), std::string::npos);
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "x.gguf"));
}

}  // namespace
}  // namespace cola
