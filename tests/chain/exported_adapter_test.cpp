#include "chain/exported_adapter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "chain/tiny_checkpoint.h"
#include "core/error.h"
#include "io/json.h"
#include "io/tensor_source.h"
#include "lora/peft_format.h"
#include "support/files.h"

namespace cola {
namespace {

using test::TemporaryFolder;

void expect_same(const Matrix& a, const Matrix& b) {
  ASSERT_EQ(a.rows(), b.rows());
  ASSERT_EQ(a.cols(), b.cols());
  EXPECT_TRUE(std::ranges::equal(a.floats(), b.floats()));
}

const LoraModule& module_of(const Link& link, const std::string& name) {
  return *std::ranges::find(link.modules, name, &LoraModule::name);
}

TEST(ExportedAdapter, OneLinkOfScaleOneRoundTripsExactly) {
  const TemporaryFolder folder;
  std::vector<Link> links;
  links.push_back(test::random_link("q_proj", 3, 1.0, 1));
  export_adapter(folder / "out", as_one_adapter(std::move(links)), {"base", {}});
  const Link original = test::random_link("q_proj", 3, 1.0, 1);
  const Link read = read_adapter(folder / "out");
  ASSERT_EQ(read.modules.size(), 2U);
  for (const auto& module : original.modules) {
    expect_same(module_of(read, module.name).a, module.a);
    expect_same(module_of(read, module.name).b, module.b);
    EXPECT_EQ(module_of(read, module.name).scale, 1.0);
  }
  EXPECT_EQ(base_model_of_adapter(folder / "out"), "base");
}

TEST(ExportedAdapter, AChainIsTheSumOfItsLinks) {
  const TemporaryFolder folder;
  std::vector<Link> links;
  links.push_back(test::random_link("q_proj", 2, 2.0, 1));
  links.push_back(test::random_link("q_proj", 3, 0.5, 2));
  links.push_back(test::random_link("v_proj", 1, 4.0, 3));
  std::vector<std::vector<double>> sums;
  const Link& first = links.front();
  for (const auto& module : first.modules) {
    auto sum = test::delta_of(links[0], module.name);
    const auto second = test::delta_of(links[1], module.name);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += second[i];
    sums.push_back(sum);
  }
  export_adapter(folder / "out", as_one_adapter(std::move(links)), {"base", {}});
  const Link read = read_adapter(folder / "out");
  ASSERT_EQ(read.modules.size(), 4U);
  for (std::size_t block = 0; block < 2; ++block) {
    const std::string name = "model.decoder.layers." + std::to_string(block) + ".self_attn.";
    EXPECT_EQ(module_of(read, name + "q_proj").rank(), 5);
    EXPECT_EQ(module_of(read, name + "v_proj").rank(), 5);  // zeros beyond its own
    const auto delta = test::delta_of(read, name + "q_proj");
    // The scales are powers of two, so folding them into B is exact: only the order of sums in double
    // differs.
    for (std::size_t i = 0; i < delta.size(); ++i) EXPECT_NEAR(delta[i], sums[block][i], 1e-14);
  }
  EXPECT_EQ(read.target_modules, (std::vector<std::string>{"q_proj", "v_proj"}));
}

TEST(ExportedAdapter, NamesEveryModuleWhereTargetsWereAPattern) {
  std::vector<Link> links;
  links.push_back(test::random_link("q_proj", 2, 2.0, 1));
  links.push_back(test::random_link("v_proj", 2, 2.0, 2));
  links[1].target_modules.clear();  // as read from an adapter whose target_modules is a pattern
  const TemporaryFolder folder;
  export_adapter(folder / "out", as_one_adapter(std::move(links)), {});
  const Link read = read_adapter(folder / "out");
  for (const auto& module : read.modules) {
    EXPECT_NE(std::ranges::find(read.target_modules, module.name), read.target_modules.end()) << module.name;
  }
}

TEST(ExportedAdapter, RefusesAdaptersOfDifferentModels) {
  std::vector<Link> links;
  links.push_back(test::random_link("q_proj", 2, 2.0, 1));
  links.push_back(test::random_link("q_proj", 2, 2.0, 2));
  links[1].modules[1].a = test::random_matrix(2, 64, 9, 1.0F);
  EXPECT_THROW((void)as_one_adapter(std::move(links)), Error);
  EXPECT_THROW((void)as_one_adapter({}), Error);
}

TEST(ExportedAdapter, WritesEachLinkOnItsOwn) {
  const TemporaryFolder folder;
  std::vector<Link> links;
  links.push_back(test::random_link("q_proj", 2, 2.0, 1));
  links.push_back(test::random_link("v_proj", 3, 1.0, 2));
  export_links(folder / "out", links, {"base", {}});
  EXPECT_EQ(read_adapter(folder / "out" / "1").modules.front().rank(), 2);
  const Link second = read_adapter(folder / "out" / "2");
  for (const auto& module : links[1].modules) expect_same(module_of(second, module.name).b, module.b);
  EXPECT_FALSE(std::filesystem::exists(folder / "out" / "3"));
}

/// By how other programs read an adapter: PEFT, llama.cpp's converter and vLLM. Each has one way from the
/// file to the factor before B A.
enum class Reader : std::uint8_t { peft, llama_cpp, vllm };

/// What a reader takes for the change of every module.
std::map<std::string, std::vector<double>> changes_by(Reader reader, const std::filesystem::path& folder) {
  const Json config = read_json_file(folder / "adapter_config.json");
  // vLLM and others have integers in these two fields, and no patterns.
  EXPECT_TRUE(config.at("r").is_number_integer());
  EXPECT_TRUE(config.at("lora_alpha").is_number_integer());
  EXPECT_EQ(config.at("lora_alpha"), config.at("r"));
  EXPECT_EQ(config.value("use_rslora", false), false);
  for (const char* pattern : {"rank_pattern", "alpha_pattern"}) EXPECT_TRUE(config.at(pattern).empty());
  const auto source = open_safetensors(folder / "adapter_model.safetensors");
  std::map<std::string, std::vector<double>> changes;
  const std::string root = "base_model.model.";
  const std::string end = ".lora_A.weight";
  for (const auto& [key, a] : source->tensors()) {
    if (!key.ends_with(end)) continue;
    const std::string name = key.substr(root.size(), key.size() - root.size() - end.size());
    const SourceTensor& b = source->tensors().at(root + name + ".lora_B.weight");
    EXPECT_EQ(a.dtype, DType::f32);
    EXPECT_EQ(a.shape[0], config.at("r").get<std::int64_t>()) << name;  // vLLM copies it into r rows
    const auto rank = static_cast<std::size_t>(a.shape[0]);
    const auto cols = static_cast<std::size_t>(a.shape[1]);
    const double divisor =
        reader == Reader::llama_cpp ? static_cast<double>(rank) : config.at("r").get<double>();
    const double scale = config.at("lora_alpha").get<double>() / divisor;
    std::vector<float> a_values(static_cast<std::size_t>(a.size()));
    std::vector<float> b_values(static_cast<std::size_t>(b.size()));
    read_as_f32(a, a_values);
    read_as_f32(b, b_values);
    auto& change = changes[name];
    change.resize(static_cast<std::size_t>(b.shape[0]) * cols);
    for (std::size_t i = 0; i < change.size(); ++i) {
      for (std::size_t k = 0; k < rank; ++k) {
        change[i] += scale * static_cast<double>(b_values[i / cols * rank + k]) *
                     static_cast<double>(a_values[k * cols + i % cols]);
      }
    }
  }
  return changes;
}

/// The sum of adapters, by the scales that read_adapter gives.
std::map<std::string, std::vector<double>> sum_of(const std::vector<Link>& links) {
  std::map<std::string, std::vector<double>> sums;
  for (const Link& link : links) {
    for (const auto& module : link.modules) {
      const auto delta = test::delta_of(link, module.name);
      auto& sum = sums[module.name];
      sum.resize(delta.size());
      for (std::size_t i = 0; i < delta.size(); ++i) sum[i] += delta[i];
    }
  }
  return sums;
}

void expect_every_reader_agrees(const std::filesystem::path& folder,
                                const std::map<std::string, std::vector<double>>& expected) {
  for (const Reader reader : {Reader::peft, Reader::llama_cpp, Reader::vllm}) {
    const auto changes = changes_by(reader, folder);
    ASSERT_EQ(changes.size(), expected.size());
    for (const auto& [name, sum] : expected) {
      const auto& change = changes.at(name);
      ASSERT_EQ(change.size(), sum.size()) << name;
      double norm = 0.0;
      double error = 0.0;
      for (std::size_t i = 0; i < sum.size(); ++i) {
        norm += sum[i] * sum[i];
        error += (change[i] - sum[i]) * (change[i] - sum[i]);
      }
      EXPECT_LE(std::sqrt(error), 1e-7 * std::sqrt(norm)) << name;
    }
  }
}

/// Adapters of tests/files/cases exported as one.
void expect_exported(const std::vector<std::string>& adapters) {
  const TemporaryFolder folder;
  std::vector<Link> links;
  std::vector<Link> originals;
  for (const auto& adapter : adapters) {
    links.push_back(read_adapter(test::test_files() / "cases" / adapter));
    originals.push_back(read_adapter(test::test_files() / "cases" / adapter));
  }
  export_adapter(folder / "out", as_one_adapter(std::move(links)), {"base", {}});
  expect_every_reader_agrees(folder / "out", sum_of(originals));
}

TEST(ExportedAdapter, OfDifferentModulesMeansTheSameToEveryReader) {
  expect_exported({"adapters-of-different-modules/first", "adapters-of-different-modules/second"});
  expect_exported({"adapters-of-different-modules/second", "adapters-of-different-modules/first",
                   "adapters-of-different-modules/first"});
}

TEST(ExportedAdapter, OfAScaleThatIsNotWholeMeansTheSameToEveryReader) {
  expect_exported({"alpha-not-whole/adapter"});  // rsLoRA, and an alpha_pattern
  expect_exported({"adapters-of-different-modules/first", "alpha-not-whole/adapter"});
}

TEST(ExportedAdapter, EachLinkMeansTheSameToEveryReader) {
  const TemporaryFolder folder;
  std::vector<Link> links;
  links.push_back(test::random_link("q_proj", 2, 10.0 / 3.0, 1));
  Link wider = test::random_link("v_proj", 5, 0.3, 3);
  for (auto& module : wider.modules) links.front().modules.push_back(std::move(module));
  links.push_back(test::random_link("v_proj", 3, std::sqrt(2.0), 2));
  std::vector<std::map<std::string, std::vector<double>>> expected;
  for (const Link& link : links) {
    std::map<std::string, std::vector<double>> sums;
    for (const auto& module : link.modules) sums[module.name] = test::delta_of(link, module.name);
    expected.push_back(std::move(sums));
  }
  export_links(folder / "out", as_adapters_of_their_own(std::move(links)), {"base", {}});
  expect_every_reader_agrees(folder / "out" / "1", expected[0]);
  expect_every_reader_agrees(folder / "out" / "2", expected[1]);
}

TEST(ExportedAdapter, APowerOfTwoIsFoldedWithoutRounding) {
  std::vector<Link> links;
  links.push_back(test::random_link("q_proj", 3, 0.25, 1));
  const Link original = test::random_link("q_proj", 3, 0.25, 1);
  const Link one = as_one_adapter(std::move(links));
  for (const auto& module : original.modules) {
    const auto& folded = module_of(one, module.name);
    for (std::size_t i = 0; i < folded.b.floats().size(); ++i)
      EXPECT_EQ(folded.b.floats()[i] * 4.0F, module.b.floats()[i]);
  }
}

TEST(ExportedAdapter, AScaleThatOverflowsIsRefused) {
  std::vector<Link> links;
  links.push_back(test::random_link("q_proj", 3, 1e41, 1));
  try {
    (void)as_one_adapter(std::move(links));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("q_proj"), std::string::npos) << error.what();
  }
}

TEST(ExportedAdapter, SaysWhatServersDoNotTake) {
  const auto limits = [](std::int64_t rank) {
    std::vector<Link> links;
    links.push_back(test::random_link("q_proj", rank, 1.0, 1));
    return limits_of_readers(as_one_adapter(std::move(links)));
  };
  EXPECT_TRUE(limits(8).empty());
  EXPECT_EQ(limits(17).front(), "rank 17 is above vLLM's default of 16: start it with --max-lora-rank 32");
  EXPECT_EQ(limits(513).front().find("rank 513 is above what vLLM takes (512)"), 0U);
  EXPECT_EQ(limits(513).size(), 2U);  // it also has more numbers than the weights

  Link link = test::random_link("q_proj", 2, 1.0, 1);
  link.biases.push_back({link.modules.front().name, Matrix(DType::f32, 1, 16)});
  link.modules.front().name = "lm_head";
  const auto found = limits_of_readers(link);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_NE(found[0].find("biases"), std::string::npos);
  EXPECT_NE(found[1].find("lm_head"), std::string::npos);
}

}  // namespace
}  // namespace cola
