#include <gtest/gtest.h>

#include "chain/exported_adapter.h"
#include "chain/run_folder.h"
#include "chain/tiny_checkpoint.h"
#include "cli/program.h"
#include "lora/peft_format.h"
#include "support/files.h"

namespace cola {
namespace {

using test::run_program;

std::string quoted(const std::filesystem::path& path) { return "'" + path.string() + "'"; }

/// A base model, two adapters, and a run whose chain is those two links.
class MergeExport : public testing::Test {
 protected:
  void SetUp() override {
    test::write_tiny_checkpoint(base(), DType::bf16);
    std::vector<Link> links;
    links.push_back(test::random_link("q_proj", 2, 2.0, 1));
    links.push_back(test::random_link("q_proj", 3, 0.5, 2));
    export_links(folder_ / "adapters", links, {base().string(), {}});
    export_links(run() / "links", links, {base().string(), {}});
    ChainManifest manifest{"cola", base().string(), "stack", 10, {}};
    for (const Link& link : links) manifest.links.push_back({link.modules.front().rank(), 1.0, "trained", 5});
    write_manifest(RunFolder{run()}, manifest);
  }
  [[nodiscard]] std::filesystem::path base() const { return folder_ / "base"; }
  [[nodiscard]] std::filesystem::path run() const { return folder_ / "run"; }
  [[nodiscard]] std::filesystem::path out(const std::string& name = "out") const { return folder_ / name; }
  [[nodiscard]] std::string both_adapters() const {
    return "--adapter " + quoted(folder_ / "adapters" / "1") + " --adapter " +
           quoted(folder_ / "adapters" / "2");
  }

  test::TemporaryFolder folder_;
};

TEST_F(MergeExport, MergesARunAsItsAdapters) {
  const auto from_run =
      run_program("merge --run " + quoted(run()) + " --out " + quoted(out("a")) + " --json");
  ASSERT_EQ(from_run.status, 0) << from_run.error;
  const Json report = parse_json(from_run.output, "output");
  EXPECT_EQ(report.at("links"), 2);
  EXPECT_EQ(report.at("modules"), 2);
  EXPECT_EQ(report.at("dtype"), "bf16");
  EXPECT_GT(report.at("delta_norm"), 0.0);
  EXPECT_GT(report.at("relative_rounding_error"), 0.0);
  const auto from_adapters =
      run_program("merge --model " + quoted(base()) + " " + both_adapters() + " --out " + quoted(out("b")));
  ASSERT_EQ(from_adapters.status, 0) << from_adapters.error;
  EXPECT_NE(from_adapters.output.find("merged 2 links"), std::string::npos) << from_adapters.output;
  EXPECT_EQ(read_text_file(out("a") / "model.safetensors"), read_text_file(out("b") / "model.safetensors"));
}

TEST_F(MergeExport, ExportedChainMergesLikeItsLinks) {
  const auto exported =
      run_program("export --run " + quoted(run()) + " --out " + quoted(out("one")) + " --json");
  ASSERT_EQ(exported.status, 0) << exported.error;
  EXPECT_EQ(parse_json(exported.output, "output").at("rank"), 5);
  const auto applied = parse_json(run_program("inspect --json --run " + quoted(run())).output, "inspect");
  EXPECT_GT(applied.at("applied").at("delta_norm"), 0.0);
  EXPECT_EQ(parse_json(exported.output, "output").at("delta_norm"), applied.at("applied").at("delta_norm"));
  EXPECT_EQ(read_adapter(out("one")).modules.front().rank(), 5);
  EXPECT_EQ(base_model_of_adapter(out("one")), base().string());
  const auto by_links = run_program("merge --run " + quoted(run()) + " --out " + quoted(out("a")));
  const auto by_one = run_program("merge --model " + quoted(base()) + " --adapter " + quoted(out("one")) +
                                  " --out " + quoted(out("b")));
  ASSERT_EQ(by_links.status, 0) << by_links.error;
  ASSERT_EQ(by_one.status, 0) << by_one.error;
  // bf16 weights: the order of f32 sums can turn a tie in rounding, by one step of values below 1/4.
  const auto a = open_checkpoint(out("a"));
  const auto b = open_checkpoint(out("b"));
  for (const auto& [name, tensor] : a->tensors()) {
    std::vector<float> x(static_cast<std::size_t>(tensor.size()));
    std::vector<float> y(x.size());
    read_as_f32(tensor, x);
    read_as_f32(b->tensors().at(name), y);
    for (std::size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(x[i], y[i], 0x1p-10) << name;
  }
}

TEST_F(MergeExport, ExportsSomeLinksAndEachLinkWithoutTheModel) {
  std::filesystem::remove_all(base());
  const auto first =
      run_program("export --run " + quoted(run()) + " --up-to-link 1 --out " + quoted(out("first")));
  ASSERT_EQ(first.status, 0) << first.error;
  EXPECT_EQ(read_adapter(out("first")).modules.front().rank(), 2);
  const auto each =
      run_program("export --run " + quoted(run()) + " --each-link --out " + quoted(out("each")));
  ASSERT_EQ(each.status, 0) << each.error;
  EXPECT_NE(each.output.find("2 links (rank 5 in all, |delta W| "), std::string::npos) << each.output;
  EXPECT_EQ(read_adapter(out("each") / "2").modules.front().rank(), 3);
  const auto joined = run_program("export " + both_adapters() + " --out " + quoted(out("joined")));
  ASSERT_EQ(joined.status, 0) << joined.error;
  EXPECT_EQ(read_adapter(out("joined")).modules.front().rank(), 5);
}

TEST_F(MergeExport, RefusesWhatCannotBe) {
  const std::string to = " --out " + quoted(out());
  const auto refuses = [&](const std::string& arguments, int status, const std::string& mention) {
    const auto result = run_program(arguments);
    EXPECT_EQ(result.status, status) << arguments << "\n" << result.error;
    EXPECT_NE(result.error.find(mention), std::string::npos) << result.error;
    EXPECT_EQ(result.output, "") << arguments;
    EXPECT_FALSE(std::filesystem::exists(out())) << arguments;
  };
  refuses("merge --model " + quoted(base()) + to, 2, "--adapter");
  refuses("merge --run " + quoted(run()) + " --merge-dtype i32" + to, 2, "i32");
  refuses("merge --run " + quoted(run()) + " --max-shard-size 0" + to, 2, "not a size");
  refuses("merge --run " + quoted(run()) + " --out " + quoted(base()), 2, "not empty");
  refuses("merge --run " + quoted(run()), 2, "--out");
  refuses("merge --run " + quoted(run()) + " --dtype f32" + to, 2, "--dtype");
  refuses("merge --model " + quoted(base()) + " --adapter " + quoted(folder_ / "none") + to, 1, "none");
  refuses("export" + to, 2, "--run");
  refuses("export " + both_adapters() + " --each-link" + to, 2, "--each-link");
  refuses("export " + both_adapters() + " --run " + quoted(run()) + to, 2, "exclude");
  refuses("export --run " + quoted(run()) + " --up-to-link 3" + to, 2, "--up-to-link");
  refuses("export --run " + quoted(run()) + " --state best" + to, 1, "best");
}

TEST_F(MergeExport, AFullRunIsMergedByConversionAndHasNoAdapter) {
  write_manifest(RunFolder{run()}, {"full", base().string(), "merge", 10, {}});
  std::filesystem::copy(base(), run() / "last");
  const auto merged =
      run_program("merge --run " + quoted(run()) + " --merge-dtype f32 --out " + quoted(out("f32")));
  ASSERT_EQ(merged.status, 0) << merged.error;
  EXPECT_NE(merged.output.find("the run's own weights"), std::string::npos) << merged.output;
  const auto source = open_checkpoint(out("f32"));
  for (const auto& [name, tensor] : source->tensors()) EXPECT_EQ(tensor.dtype, DType::f32) << name;
  const auto exported = run_program("export --run " + quoted(run()) + " --out " + quoted(out()));
  EXPECT_EQ(exported.status, 1);
  EXPECT_NE(exported.error.find("cola merge"), std::string::npos) << exported.error;
}

}  // namespace
}  // namespace cola
