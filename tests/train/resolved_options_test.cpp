// What a run writes of the options that were left to the program, what it goes on with, and what it says.
#include <gtest/gtest.h>

#include "core/parallel.h"
#include "small_run.h"
#include "train/options_toml.h"

namespace cola {
namespace {

using test::contains_all;

class ResolvedOptions : public testing::Test {
 protected:
  ResolvedOptions() : options(test::small_options(folder.path())), threads(thread_count()) {
    options.dtype = "auto";
    options.threads = 0;
    options.learning_rate.reset();
  }
  ~ResolvedOptions() override { set_thread_count(threads); }

  [[nodiscard]] std::string said(bool resume = false) const {
    testing::internal::CaptureStderr();
    (void)train(options, {.resume = resume});
    return testing::internal::GetCapturedStderr();
  }

  test::TemporaryFolder folder;
  TrainOptions options;
  int threads;
};

TEST_F(ResolvedOptions, AreWritten) {
  set_thread_count(2);
  options.knots.clear();
  (void)test::run(options);
  TrainOptions written;
  read_toml(options.out / "config.toml", written);
  EXPECT_EQ(written.dtype, "f32");
  EXPECT_EQ(written.tie, "merge");
  EXPECT_EQ(written.threads, 2);
  EXPECT_EQ(written.links, 2);
  EXPECT_EQ(written.lora_r, 8);
  EXPECT_EQ(written.lora_alpha, 16.0);
  EXPECT_EQ(written.learning_rate, 1e-4);
  EXPECT_EQ(written.target_modules, (std::vector<std::string>{"q_proj", "v_proj"}));
  EXPECT_TRUE(written.max_length.has_value());
  const Json start = test::events(options.out, "start").at(0);
  EXPECT_EQ(start.at("dtype"), "f32");
  EXPECT_EQ(start.at("tie"), "merge");
  EXPECT_EQ(start.at("threads"), 2);
  EXPECT_FALSE(start.at("isa").get<std::string>().empty());
  written.out = folder / "again";  // and they are options
  (void)test::run(written);
  EXPECT_EQ(test::losses(written.out), test::losses(options.out));
}

TEST_F(ResolvedOptions, AResumedRunHasItsOwnThreads) {
  set_thread_count(2);
  (void)test::run(options);
  set_thread_count(1);
  EXPECT_EQ(test::run(options, true).steps, 12);
  EXPECT_EQ(thread_count(), 2);
  options.threads = 3;
  EXPECT_TRUE(contains_all(test::error_of(options, true), {"--threads", "differs"}));
}

TEST_F(ResolvedOptions, AResumedRunSaysThatItIsComputedOtherwise) {
  (void)test::run(options);
  EXPECT_EQ(said(true).find("bit for bit"), std::string::npos);
  const auto state = RunFolder{options.out}.checkpoint(12) / "state.json";
  Json json = read_json_file(state);
  json["computed_with"] = "f32, 9 threads, another set";
  test::write_text_file_at(state, json.dump());
  EXPECT_TRUE(contains_all(said(true), {"computed with f32, 9 threads, another set", "not bit for bit"}));
}

/// Makes a run one that was stopped after step 4, by a program that had no --decay-norms.
void make_older(const TrainOptions& options) {
  const RunFolder run{options.out};
  for (const std::int64_t step : run.checkpoint_steps())
    if (step > 4) std::filesystem::remove_all(run.checkpoint(step));
  std::string text = read_text_file(run.config());
  const auto at = text.find("decay-norms = ");
  ASSERT_NE(at, std::string::npos);
  test::write_text_file_at(run.config(), text.erase(at, text.find('\n', at) - at));
}

TEST_F(ResolvedOptions, AnOlderRunGoesOnDecayingNorms) {
  options.method = "full";
  options.knots.clear();
  options.weight_decay = 0.5;
  options.decay_norms = true;
  options.save_total_limit = 9;
  (void)test::run(options);
  const auto reference = test::results_of(options.out);
  make_older(options);
  options.decay_norms = false;
  EXPECT_TRUE(contains_all(test::error_of(options, true), {"--decay-norms", "differs"}));
  options.decay_norms = true;
  (void)test::run(options, true);
  EXPECT_EQ(test::results_of(options.out), reference);
}

TEST_F(ResolvedOptions, AnOlderRunThatTrainsNoNormsGoesOn) {
  options.weight_decay = 0.5;
  options.save_total_limit = 9;
  (void)test::run(options);
  const auto reference = test::results_of(options.out);
  make_older(options);
  for (const bool decay_norms : {false, true}) {  // which makes no difference
    options.decay_norms = decay_norms;
    EXPECT_EQ(said(true).find("decay-norms make no difference"), std::string::npos);
    EXPECT_EQ(test::results_of(options.out), reference);
  }
}

TEST_F(ResolvedOptions, ARunSaysWhatItStartsFromAndWhatItDoesNotUse) {
  const auto parity = test::parity_folder("opt_tiny");
  options.tied_link = {parity / "adapter", parity / "adapter2"};
  options.initial_link = {parity / "adapter"};
  options.lora_r = 4;
  options.ranks = {4, 4};
  options.alphas = {8.0};
  const std::string text = said();
  EXPECT_TRUE(contains_all(text, {"chain: 2 links, |delta W| ", "initial links: 1 link, |delta W| ",
                                  "--lora-r make no difference"}))
      << text;
  EXPECT_LT(text.find("knot after step 5"), text.find("link 4:")) << text;
}

}  // namespace
}  // namespace cola
