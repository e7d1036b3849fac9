#pragma once
// A sweep in seconds and without shared files: a random model of two layers, two tasks of its own.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "cli/letter_tokenizer.h"
#include "cli/program.h"
#include "support/files.h"

namespace cola::test {

class TinySweep : public testing::Test {
 protected:
  void SetUp() override {
    write_letter_tokenizer(folder_ / "tokenizer");
    write_text_file(folder_ / "shape.json", R"({"model_type": "opt", "vocab_size": 40, "hidden_size": 16,
        "ffn_dim": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 128,
        "do_layer_norm_before": true})");
    const auto made =
        run_program("init --shape " + quoted(folder_ / "shape.json") + " --seed 3 --tokenizer " +
                    quoted(folder_ / "tokenizer") + " --out " + quoted(folder_ / "model"));
    ASSERT_EQ(made.status, 0) << made.error;
    const std::string files = "train = 'train.jsonl'\nvalidation = 'dev.jsonl'\n";
    write_text_file(folder_ / "choice.toml",
                    files + "prompt = 'is the {thing} red '\ncandidates = ['yes', 'no']\nlabel = 'label'\n");
    write_text_file(folder_ / "answer.toml", files + "prompt = 'the {thing} is'\nanswers = 'answer'\n");
    write_records("train.jsonl", 24);
    write_records("dev.jsonl", 12);
  }

  static std::string quoted(const std::filesystem::path& path) { return "'" + path.string() + "'"; }

  /// "sweep PLAN --out ...", the plan's text with model and tasks put in; `tasks` is a TOML list.
  [[nodiscard]] std::string sweep(const std::string& out) const {
    return "sweep " + quoted(folder_ / "plan.toml") + " --out " + quoted(folder_ / out);
  }
  void write_plan(const std::string& tasks, const std::string& text) const {
    write_text_file(folder_ / "plan.toml",
                    "model = " + quoted(folder_ / "model") + "\ntasks = " + tasks + "\n" + text);
  }
  [[nodiscard]] std::string task(const std::string& name) const { return quoted(folder_ / (name + ".toml")); }

  /// Whether the tables of two sweeps' folders are the same bytes.
  void expect_same_tables(const std::string& folder, const std::string& reference) const {
    for (const char* file : {"results.txt", "results.md", "results.tex", "results.csv", "results.json"})
      EXPECT_EQ(read_text_file(folder_ / folder / file), read_text_file(folder_ / reference / file)) << file;
  }

  TemporaryFolder folder_;

 private:
  void write_records(const std::string& name, int count) const {
    const char* things[] = {"ball", "cat", "house", "tree", "hat"};
    const char* colours[] = {"red", "blue", "green"};
    std::string lines;
    for (int i = 0; i < count; ++i) {
      lines +=
          Json{{"thing", things[i % 5]}, {"label", i % 3 == 0 ? 0 : 1}, {"answer", colours[i % 3]}}.dump();
      lines += "\n";
    }
    write_text_file(folder_ / name, lines);
  }
};

}  // namespace cola::test
