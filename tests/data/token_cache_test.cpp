#include "data/token_cache.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>

#include "core/error.h"
#include "data/preference.h"
#include "data/word_tokenizer.h"
#include "support/files.h"

namespace cola {
namespace {

namespace fs = std::filesystem;

class TokenCacheTest : public testing::Test {
 protected:
  TokenCacheTest() {
    fs::create_directory(folder_ / "tokenizer");
    write("tokenizer/tokenizer.json", "{}");
    write("data.jsonl", "{\"text\":\"a b c.\"}\n{\"prompt\":\"a\",\"completion\":\" b\"}\n");
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  Dataset read(const std::string& name = "data.jsonl") {
    const TokenCache cache(cache_folder_, folder_ / "tokenizer",
                           [&](const std::string& line) { notes_ += line + "\n"; });
    return read_dataset(folder_ / name, &tokenizer_, 100, options_, {}, &cache);
  }
  bool read_is_from_cache(const std::string& name = "data.jsonl") { return read(name).report.from_cache; }
  /// Entries, and what is left of some that were not finished.
  [[nodiscard]] std::vector<fs::path> entries() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(cache_folder_)) {
      if (entry.path().filename() != "hashes") found.push_back(entry.path());
    }
    return found;
  }

  test::TemporaryFolder folder_;
  fs::path cache_folder_ = folder_ / "cache" / "tokens";
  WordTokenizer tokenizer_;
  DataOptions options_;
  std::string notes_;
};

TEST_F(TokenCacheTest, ASecondReadingIsTheFirst) {
  const Dataset first = read();
  EXPECT_FALSE(first.report.from_cache);
  const Dataset second = read();
  EXPECT_TRUE(second.report.from_cache);
  ASSERT_EQ(first.examples.size(), 2U);
  ASSERT_EQ(second.examples.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(first.examples[i].ids, second.examples[i].ids);
    EXPECT_EQ(first.examples[i].labels, second.examples[i].labels);
  }
  EXPECT_EQ(second.report.summary(), first.report.summary() + "; from the token cache");
  EXPECT_EQ(second.files, first.files);
  const Dataset without = read_dataset(folder_ / "data.jsonl", &tokenizer_, 100, options_);
  EXPECT_EQ(without.report.summary(), first.report.summary());
  EXPECT_EQ(without.examples.digest(), second.examples.digest());
  EXPECT_EQ(notes_, "");
  EXPECT_EQ(entries().size(), 1U);
}

TEST_F(TokenCacheTest, PairsAreKeptToo) {
  write("pairs.jsonl", R"({"prompt":"a","chosen":" b","rejected":" c."})");
  const auto read_pairs = [&] {
    const TokenCache cache(cache_folder_, folder_ / "tokenizer", {});
    return read_preferences(folder_ / "pairs.jsonl", &tokenizer_, 100, options_, {}, &cache);
  };
  const PreferenceSet first = read_pairs();
  const PreferenceSet second = read_pairs();
  EXPECT_TRUE(second.report.from_cache);
  ASSERT_EQ(second.pairs.size(), 1U);
  EXPECT_EQ(second.pairs[0].prompt_tokens, first.pairs[0].prompt_tokens);
  for (std::size_t answer = 0; answer < 2; ++answer) {
    EXPECT_EQ(second.pairs[0].question.candidates[answer].labels,
              first.pairs[0].question.candidates[answer].labels);
  }
  EXPECT_EQ(second.report.summary(), first.report.summary() + "; from the token cache");
  // The same file read as something else is something else.
  write("data.jsonl", R"({"prompt":"a","chosen":" b","rejected":" c.","text":"d"})");
  options_.fields.text = "text";
  EXPECT_FALSE(read_is_from_cache());
}

TEST_F(TokenCacheTest, WhateverTheTokensDependOnIsAnEntryOfItsOwn) {
  write("data.jsonl", R"({"prompt":"a","completion":" b"})");
  (void)read();
  const auto expect_another = [&](const char* what) {
    EXPECT_FALSE(read_is_from_cache()) << what;
    EXPECT_TRUE(read_is_from_cache()) << what;
  };
  options_.max_length = 100;
  expect_another("length");
  options_.append_eos = false;
  expect_another("EOS");
  options_.train_on_prompt = true;
  expect_another("prompts");
  options_.fields.prompt_template = "{prompt}!";
  expect_another("prompt template");
  write("tokenizer/tokenizer.json", "{ }");
  expect_another("tokenizer");
  write("tokenizer/special_tokens_map.json", "{}");
  expect_another("another file of the tokenizer");
  write("data.jsonl", "{\"text\":\"a b d.\"}\n");  // of another size
  options_.fields = {};
  expect_another("data");
  write("data.jsonl", "{\"text\":\"a b e.\"}\n");  // of the same
  expect_another("data of the same size");
  const auto use_template = [&](const std::string& jinja, const ChatOptions& chat) {
    options_.chat_format.emplace(jinja, "test", jinja::Dict{}, chat);
  };
  ChatOptions with_keywords, on_the_9th, on_the_10th;
  with_keywords.chat_template_kwargs = R"({"a":1})";
  on_the_9th.chat_template_date = "2026-03-09T14:05:06";
  on_the_10th.chat_template_date = "2026-03-10T14:05:06";
  use_template("{{ messages[0].content }}", {});
  expect_another("template");
  use_template("{{ messages[0].content }}", with_keywords);
  expect_another("keyword arguments");
  use_template("{{ strftime_now('%d') }}", on_the_9th);
  expect_another("template with a date");
  use_template("{{ strftime_now('%d') }}", on_the_10th);
  expect_another("another date");
  use_template("{{ messages }}", on_the_9th);
  expect_another("template without one");
  use_template("{{ messages }}", on_the_10th);
  EXPECT_TRUE(read_is_from_cache());
}

TEST_F(TokenCacheTest, TheSameContentIsTheSameEntryWhateverItsTimes) {
  (void)read();
  fs::create_directory(folder_ / "elsewhere");
  fs::copy_file(folder_ / "data.jsonl", folder_ / "elsewhere" / "data.jsonl");
  EXPECT_TRUE(read_is_from_cache("elsewhere/data.jsonl"));
  fs::last_write_time(folder_ / "data.jsonl", fs::file_time_type::clock::now() - std::chrono::hours(1));
  EXPECT_TRUE(read_is_from_cache());
}

TEST_F(TokenCacheTest, WrongDataLeavesNothing) {
  write("data.jsonl", "{\"text\":\"a\"}\n{\"text\":\n");
  EXPECT_THROW((void)read(), Error);
  write("data.jsonl", "");
  EXPECT_THROW((void)read(), Error);
  EXPECT_TRUE(entries().empty());
  EXPECT_EQ(notes_, "");
}

TEST_F(TokenCacheTest, DamagedEntriesAreMadeAnew) {
  const std::vector<Example> examples = read().examples.all();
  for (const char* name : {"entry.json", "index.bin", "sequences.bin"}) {
    const fs::path file = entries().at(0) / name;
    fs::resize_file(file, fs::file_size(file) - 2);
    notes_.clear();
    const Dataset anew = read();
    EXPECT_FALSE(anew.report.from_cache) << name;
    EXPECT_NE(notes_.find("made anew"), std::string::npos) << name;
    EXPECT_EQ(anew.examples[1].ids, examples[1].ids);
    EXPECT_TRUE(read_is_from_cache()) << name;
  }
  std::fstream index(entries().at(0) / "index.bin", std::ios::binary | std::ios::in | std::ios::out);
  index.seekp(16).put('\x7f');
  index.close();
  EXPECT_FALSE(read_is_from_cache());
  EXPECT_TRUE(read_is_from_cache());
}

TEST_F(TokenCacheTest, AFolderThatCannotBeMadeIsSaidAndNotNeeded) {
  write("cache", "a file");
  EXPECT_EQ(read().examples.size(), 2U);
  EXPECT_NE(notes_.find("note: no token cache: cannot create"), std::string::npos) << notes_;
}

TEST_F(TokenCacheTest, WhatKilledProcessesAndFormerUseLeaveGoes) {
  (void)read();
  const fs::path entry = entries().at(0);
  const fs::path leftover = cache_folder_ / "0123.tmp-99999";
  fs::create_directory(leftover);
  write("cache/tokens/0123.tmp-99999/sequences.bin", "abc");
  write("cache/tokens/0123.lock", "");
  const auto now = fs::file_time_type::clock::now();
  fs::last_write_time(entry / "entry.json", now - std::chrono::hours(24 * 29));
  options_.max_length = 100;
  (void)read();
  EXPECT_EQ(entries().size(), 2U);
  fs::last_write_time(entry / "entry.json", now - std::chrono::hours(24 * 31));
  options_.max_length = 101;
  (void)read();
  EXPECT_FALSE(fs::exists(entry));
  EXPECT_EQ(entries().size(), 2U);
}

TEST_F(TokenCacheTest, AnEntryInUseStays) {
  (void)read();
  const fs::path entry = entries().at(0);
  fs::last_write_time(entry / "entry.json", fs::file_time_type::clock::now() - std::chrono::hours(24 * 31));
  EXPECT_TRUE(read_is_from_cache());
  options_.max_length = 100;
  (void)read();
  EXPECT_TRUE(fs::exists(entry));
}

}  // namespace
}  // namespace cola
