#pragma once
#include <fmt/format.h>

#include <filesystem>
#include <string>

#include "core/error.h"
#include "io/files.h"
#include "io/gnuplot.h"
#include "io/json.h"

namespace cola::test {

inline bool gnuplot_is_there() {
  try {
    require_gnuplot();
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// A run folder with a falling loss, a dev evaluation every 10 steps and one knot.
inline void write_run(const std::filesystem::path& folder, int steps, double start,
                      const std::string& config = "method = 'cola'\n") {
  std::filesystem::create_directories(folder);
  write_text_file(folder / "config.toml", config);
  std::string log = R"({"event":"start","method":"cola","steps":50})"
                    "\n";
  for (int step = 1; step <= steps; ++step) {
    log += Json{{"event", "step"},       {"step", step},
                {"loss", start / step},  {"lr", 0.1},
                {"grad_norm", 1.0},      {"tokens", 10},
                {"seconds", 0.1},        {"link", 1},
                {"hf_flos", 1e6 * step}, {"real_flops", 2e6 * step}}
               .dump() +
           "\n";
    if (step % 10 == 0) {
      log += Json{{"event", "eval"}, {"step", step}, {"dev_loss", start / step}, {"dev_score", 0.5}}.dump() +
             "\n";
    }
    if (step == steps / 2) log += Json{{"event", "knot"}, {"step", step}, {"link", 1}}.dump() + "\n";
  }
  log += Json{{"event", "end"}, {"step", steps}, {"links", 2}, {"tokens", 10 * steps}}.dump() + "\n";
  write_text_file(folder / "log.jsonl", log);
}

inline Json sweep_row(const std::string& task, const std::string& method, int links, double mean,
                      const Json& trials) {
  return {{"task", task},
          {"method", method},
          {"setting", {{"links", links}}},
          {"learning_rate", 1e-4},
          {"metric", "accuracy"},
          {"scores", {mean, mean + 0.02}},
          {"mean", mean + 0.01},
          {"spread", 0.014},
          {"correct", {20, 21}},
          {"total", {28, 28}},
          {"pooled", {{"correct", 41}, {"total", 56}, {"interval", {0.6, 0.83}}}},
          {"relative_gain", nullptr},
          {"dev_scores", {0.7, 0.8}},
          {"links", {links, links}},
          {"tested_links", {1, 1}},
          {"hf_flos", 1e9},
          {"hf_flos_saved", 1.5e6},
          {"real_flops", 2e9},
          {"trials", trials}};
}

/// A sweep of two tasks and three chain lengths whose trials of "cb" are there.
inline void write_sweep(const std::filesystem::path& folder) {
  Json rows = Json::array();
  for (const char* task : {"cb", "rte"}) {
    for (int links = 1; links <= 3; ++links) {
      const std::string trial = fmt::format("{}-{}", task, links);
      rows.push_back(sweep_row(task, links == 1 ? "lora" : "cola", links, 0.6 + 0.05 * links, {trial}));
      if (std::string(task) == "cb") write_run(folder / "trials" / trial, 40, links);
    }
  }
  const Json tests = {{{"task", "cb"},
                       {"a", "lora"},
                       {"b", "cola"},
                       {"test", "mcnemar"},
                       {"p", 0.25},
                       {"a_right_b_wrong", 3},
                       {"b_right_a_wrong", 7}}};
  write_text_file(folder / "results.json", Json{{"name", "small sweep"},
                                                {"model", "opt-tiny"},
                                                {"seeds", {0, 1}},
                                                {"rows", rows},
                                                {"tests", tests},
                                                {"missing", {"rte-9", "rte-10"}}}
                                               .dump());
}

inline std::size_t count(const std::string& text, const std::string& what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

}  // namespace cola::test
