#include "chain/exported_adapter.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "chain/tiny_checkpoint.h"
#include "core/error.h"
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

TEST(ExportedAdapter, OneLinkRoundTripsExactly) {
  const TemporaryFolder folder;
  std::vector<Link> links;
  links.push_back(test::random_link("q_proj", 3, 10.0 / 3.0, 1));  // a scale that is not a power of two
  export_adapter(folder / "out", as_one_adapter(std::move(links)), "base");
  const Link original = test::random_link("q_proj", 3, 10.0 / 3.0, 1);
  const Link read = read_adapter(folder / "out");
  ASSERT_EQ(read.modules.size(), 2U);
  for (const auto& module : original.modules) {
    expect_same(module_of(read, module.name).a, module.a);
    expect_same(module_of(read, module.name).b, module.b);
    EXPECT_EQ(static_cast<float>(module_of(read, module.name).scale), static_cast<float>(module.scale));
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
  export_adapter(folder / "out", as_one_adapter(std::move(links)), "base");
  const Link read = read_adapter(folder / "out");
  ASSERT_EQ(read.modules.size(), 4U);
  for (std::size_t block = 0; block < 2; ++block) {
    const std::string name = "model.decoder.layers." + std::to_string(block) + ".self_attn.";
    EXPECT_EQ(module_of(read, name + "q_proj").rank(), 5);
    EXPECT_EQ(module_of(read, name + "v_proj").rank(), 1);
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
  export_adapter(folder / "out", as_one_adapter(std::move(links)), "");
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
  export_links(folder / "out", links, "base");
  EXPECT_EQ(read_adapter(folder / "out" / "1").modules.front().rank(), 2);
  const Link second = read_adapter(folder / "out" / "2");
  for (const auto& module : links[1].modules) expect_same(module_of(second, module.name).b, module.b);
  EXPECT_FALSE(std::filesystem::exists(folder / "out" / "3"));
}

}  // namespace
}  // namespace cola
