#pragma once
// Small runs on the parity OPT, and what two runs must have in common.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "chain/run_folder.h"
#include "cola/train.h"
#include "core/error.h"
#include "core/random.h"
#include "io/files.h"
#include "log/run_log.h"
#include "support/parity.h"

namespace cola::test {

inline void write_text_file_at(const std::filesystem::path& file, const std::string& text) {
  std::ofstream(file, std::ios::binary) << text;
}

inline bool contains_all(const std::string& text, const std::vector<std::string>& parts) {
  return std::ranges::all_of(parts, [&](const auto& part) { return text.find(part) != std::string::npos; });
}

/// `rows` sequences of 4 to 12 random tokens, all but the first two trained.
inline void write_random_data(const std::filesystem::path& file, int rows, std::uint64_t seed) {
  RandomStream random(seed, RandomPurpose::benchmark);
  std::ofstream stream(file);
  for (int row = 0; row < rows; ++row) {
    std::vector<std::int32_t> ids(4 + random.next_below(9));
    for (auto& id : ids) id = static_cast<std::int32_t>(4 + random.next_below(500));
    std::vector<std::int32_t> labels = ids;
    labels[0] = labels[1] = no_label;
    stream << Json{{"input_ids", ids}, {"labels", labels}}.dump() << "\n";
  }
}

/// COLA over 12 steps with a knot at 5 on 16 sequences: 4 steps an epoch. The data is written into `folder`.
inline TrainOptions small_options(const std::filesystem::path& folder) {
  TrainOptions options;
  options.model = parity_folder("opt_tiny");
  options.train = {folder / "train.jsonl"};
  options.out = folder / "run";
  options.knots = "5";
  options.epochs = 3;
  options.batch_size = 4;
  options.learning_rate = 1e-3;
  options.dtype = "f32";
  options.threads = 1;
  write_random_data(options.train.front(), 16, 1);
  return options;
}

inline void add_dev(TrainOptions& options) {
  options.dev = options.train.front().parent_path() / "dev.jsonl";
  write_random_data(options.dev, 5, 2);
}

inline TrainResult run(const TrainOptions& options, bool resume = false) {
  return train(options, {.resume = resume, .quiet = true});
}

/// what() of the Error that cola::train throws; fails the test if it throws none.
inline std::string error_of(const TrainOptions& options, bool resume = false) {
  try {
    (void)run(options, resume);
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return {};
}

inline std::vector<Json> events(const std::filesystem::path& run, const std::string& kind) {
  std::vector<Json> chosen;
  for (const auto& event : read_run_log(run / "log.jsonl")) {
    if (event.at("event") == kind) chosen.push_back(event);
  }
  return chosen;
}

inline std::vector<double> values(const std::filesystem::path& run, const std::string& kind,
                                  const std::string& key) {
  std::vector<double> numbers;
  for (const auto& event : events(run, kind)) numbers.push_back(event.at(key));
  return numbers;
}

inline std::vector<double> losses(const std::filesystem::path& run) { return values(run, "step", "loss"); }

/// Contents of all files under links/, best/, last/ and of chain.json, by path in the run.
inline std::map<std::string, std::string> results_of(const std::filesystem::path& run) {
  std::map<std::string, std::string> files;
  for (const char* part : {"links", "best", "last"}) {
    if (!std::filesystem::exists(run / part)) continue;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(run / part)) {
      if (entry.is_regular_file())
        files[std::filesystem::relative(entry.path(), run).string()] = read_text_file(entry.path());
    }
  }
  files["chain.json"] = read_text_file(run / "chain.json");
  return files;
}

/// Bit for bit the same results, and the same log but for what is measured: seconds, memory, checkpoints.
inline void expect_same_run(const std::filesystem::path& actual, const std::filesystem::path& expected) {
  const auto files = results_of(actual);
  const auto reference = results_of(expected);
  for (const auto& [name, text] : reference) {
    const auto file = files.find(name);
    EXPECT_TRUE(file != files.end() && file->second == text) << name << " is missing or differs";
  }
  EXPECT_EQ(files.size(), reference.size());
  const auto comparable = [](const std::filesystem::path& run) {
    std::vector<std::string> lines;
    for (auto event : read_run_log(run / "log.jsonl")) {
      if (event.at("event") == "checkpoint") continue;
      event.erase("seconds");
      event.erase("peak_rss_bytes");
      lines.push_back(event.dump());
    }
    return lines;
  };
  EXPECT_EQ(comparable(actual), comparable(expected));
}

}  // namespace cola::test
