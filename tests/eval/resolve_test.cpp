#include <gtest/gtest.h>

#include <fstream>

#include "chain/run_folder.h"
#include "core/error.h"
#include "eval/loaded_model.h"
#include "support/files.h"

namespace cola {
namespace {

class Resolve : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(model_); }

  /// A run of two links, as far as resolve() looks at it.
  void make_run(const std::string& method) const {
    const std::size_t links = method == "full" ? 0 : 2;
    for (std::size_t i = 1; i <= links; ++i)
      std::filesystem::create_directories(run_.link(static_cast<std::int64_t>(i)));
    std::filesystem::create_directories(run_.root);
    write_manifest(run_, {method, model_.string(), "merge", 10, std::vector<ChainManifest::Entry>(links)});
  }
  static void make_state(const std::filesystem::path& folder, int links) {
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "cola_state.json") << R"({"links": )" << links << "}";
  }
  [[nodiscard]] ResolvedSource resolved(const std::string& state,
                                        std::optional<std::int64_t> up_to = {}) const {
    ModelSource source;
    source.run = run_.root;
    source.state = state;
    source.up_to_link = up_to;
    return resolve(source);
  }

  const test::TemporaryFolder root_;
  const std::filesystem::path model_ = root_ / "model";
  const RunFolder run_{root_ / "run"};
};

using Folders = std::vector<std::filesystem::path>;

TEST_F(Resolve, ARunStoppedEarlyIsItsLinks) {
  make_run("cola");
  const ResolvedSource source = resolved("");
  EXPECT_EQ(source.model, model_);
  EXPECT_EQ(source.tokenizer, model_);
  EXPECT_EQ(source.adapters, (Folders{run_.link(1), run_.link(2)}));
  EXPECT_EQ(source.links, 2);
}

TEST_F(Resolve, AKilledRunIsItsNewestCheckpoint) {
  make_run("cola");
  for (const int step : {20, 30}) {
    std::filesystem::create_directories(run_.checkpoint(step) / "link");
    std::ofstream(run_.checkpoint(step) / "state.json") << R"({"tied_links": 1})";
  }
  const ResolvedSource source = resolved("");
  EXPECT_EQ(source.adapters, (Folders{run_.link(1), run_.checkpoint(30) / "link"}));
  EXPECT_EQ(source.checkpoint_step, 30);
  EXPECT_EQ(source.links, 2);
  EXPECT_EQ(resolved("", 1).adapters, Folders{run_.link(1)});
  EXPECT_EQ(resolved("", 1).checkpoint_step, std::nullopt);
  make_state(run_.last(), 2);  // finished: links/ is as it was last
  EXPECT_EQ(resolved("", 2).adapters, (Folders{run_.link(1), run_.link(2)}));
}

TEST_F(Resolve, ARunKilledBeforeItsFirstCheckpointIsNothing) {
  make_run("cola");
  write_manifest(run_, {"cola", model_.string(), "merge", 0, std::vector<ChainManifest::Entry>(2)});
  EXPECT_THROW((void)resolved(""), Error);
}

TEST_F(Resolve, RefusesThreadsThatCannotBeStarted) {
  ModelSource source;
  source.model = model_;
  source.threads = 100000;
  EXPECT_THROW((void)resolve(source), UsageError);
}

TEST_F(Resolve, PrefersBestThenLast) {
  make_run("cola");
  make_state(run_.last(), 2);
  EXPECT_EQ(resolved("").adapters, Folders{run_.last()});
  EXPECT_THROW((void)resolved("best"), Error);
  make_state(run_.best(), 1);
  EXPECT_EQ(resolved("").adapters, Folders{run_.best()});
  EXPECT_EQ(resolved("").links, 1);
  EXPECT_EQ(resolved("last").adapters, Folders{run_.last()});
  EXPECT_EQ(resolved("last").links, 2);
}

TEST_F(Resolve, UpToLinkTakesTheLinksThemselves) {
  make_run("cola");
  make_state(run_.best(), 2);
  EXPECT_EQ(resolved("", 1).adapters, Folders{run_.link(1)});
  EXPECT_EQ(resolved("last", 2).links, 2);
  EXPECT_THROW((void)resolved("", 0), UsageError);
  EXPECT_THROW((void)resolved("", 3), UsageError);
  EXPECT_THROW((void)resolved("best", 1), UsageError);
}

TEST_F(Resolve, AFullRunIsAModel) {
  make_run("full");
  EXPECT_THROW((void)resolved(""), Error);
  make_state(run_.last(), 0);
  EXPECT_EQ(resolved("").model, run_.last());
  EXPECT_TRUE(resolved("").adapters.empty());
  EXPECT_EQ(resolved("").links, 0);
  EXPECT_THROW((void)resolved("", 1), UsageError);
}

TEST_F(Resolve, RefusesContradictions) {
  make_run("cola");
  ModelSource source;
  EXPECT_THROW((void)resolve(source), UsageError);
  source.model = model_;
  EXPECT_EQ(resolve(source).links, 0);
  source.state = "best";
  EXPECT_THROW((void)resolve(source), UsageError);
  source.run = run_.root;
  source.state = "worst";
  EXPECT_THROW((void)resolve(source), UsageError);
  source.state.clear();
  source.adapters = {model_};
  EXPECT_THROW((void)resolve(source), UsageError);
}

TEST_F(Resolve, NamesWhatIsMissing) {
  ModelSource source;
  source.model = root_ / "nowhere";
  EXPECT_THROW((void)resolve(source), Error);
  source.model = model_;
  source.adapters = {root_ / "nothing"};
  try {
    (void)resolve(source);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("nothing"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace cola
