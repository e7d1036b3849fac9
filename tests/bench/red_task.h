#pragma once
#include <fstream>

#include "io/json.h"
#include "support/files.h"

namespace cola::test {

/// The embedded model's folder: a small Llama with its tokenizer.
inline std::filesystem::path demo_model() { return test_files() / ".." / ".." / "share" / "demo" / "model"; }

/// A task of one's own, of 18 questions of different lengths with three candidates, in `folder`/task.toml.
inline std::string write_red_task(const std::filesystem::path& folder) {
  std::ofstream(folder / "task.toml") << "train = 'data.jsonl'\nvalidation = 'data.jsonl'\n"
                                         "prompt = '{premise} Is it red? '\n"
                                         "candidates = ['True', 'False', 'Not known at all']\n"
                                         "label = 'label'\n";
  std::ofstream records(folder / "data.jsonl");
  std::string premise = "The ball is by the cat.";
  for (int i = 0; i < 18; ++i) {
    records << Json{{"premise", premise}, {"label", i % 3}}.dump() << "\n";
    if (i % 2 == 0) premise += " So is it.";
  }
  return (folder / "task.toml").string();
}

}  // namespace cola::test
