#pragma once
#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <vector>

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

/// A sweep of two tasks and three chain lengths whose trials of "cb" are there, with a results.json as it was
/// before tests were by question.
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

/// A run's log with the given losses from step 1 on, and a knot after step `knot` if that is not 0.
inline void write_curve(const std::filesystem::path& folder, const std::string& method,
                        const std::vector<double>& losses, int knot) {
  std::filesystem::create_directories(folder);
  write_text_file(folder / "config.toml", "method = '" + method + "'\n");
  std::string log = Json{{"event", "start"}, {"method", method}}.dump() + "\n";
  for (std::size_t i = 0; i < losses.size(); ++i) {
    log += Json{{"event", "step"}, {"step", i + 1}, {"loss", losses[i]}}.dump() + "\n";
    if (static_cast<int>(i) + 1 == knot) log += Json{{"event", "knot"}, {"step", knot}}.dump() + "\n";
  }
  write_text_file(folder / "log.jsonl", log + Json{{"event", "end"}, {"step", losses.size()}}.dump() + "\n");
}

inline Json scored_row(const std::string& method, double mean, const Json& trials) {
  return {{"task", "cb"},
          {"method", method},
          {"setting", Json::object()},
          {"label", method},
          {"tries", 2},
          {"chosen", {{"ranks", "8,6"}}},
          {"learning_rate", 1e-3},
          {"at_grid_edge", true},
          {"chosen_on_dev", true},
          {"provisional", true},
          {"metric", "f1"},
          {"seeds", {0, 1}},
          {"scores", {mean, mean}},
          {"mean", mean},
          {"spread", 0.01},
          {"correct", nullptr},
          {"total", {40, 40}},
          {"questions", 40},
          {"pooled", {{"correct", nullptr}, {"total", 80}, {"interval", {0.5, 0.75}}}},
          {"official", Json::object()},
          {"relative_gain", nullptr},
          {"gain_over", nullptr},
          {"dev_scores", {0.7, 0.8}},
          {"links", {1, 1}},
          {"tested_links", {1, 1}},
          {"hf_flos", 1e9},
          {"hf_flos_saved", 0.0},
          {"real_flops", 2e9},
          {"trials", trials}};
}

inline Json paired_test(const std::string& a, const std::string& b, const Json& interval) {
  return {{"task", "cb"},
          {"a", a},
          {"b", b},
          {"difference", 0.0123},
          {"interval", interval},
          {"smallest_difference", 0.045},
          {"test", "sign-flip"},
          {"questions", 40},
          {"a_higher", 7},
          {"b_higher", 3},
          {"p", 1e-18},
          {"p_holm", 0.0004},
          {"seeds", 2},
          {"p_seeds", 0.0321},
          {"p_seeds_holm", nullptr}};
}

inline Json rate_try(const std::string& method, double rate, const Json& mean, bool chosen, bool diverged) {
  return {{"task", "cb"},          {"method", method},
          {"label", method},       {"chosen_options", {{"ranks", "8,6"}}},
          {"learning_rate", rate}, {"seeds", {0, 1}},
          {"dev_score", mean},     {"dev_loss", mean},
          {"mean", mean},          {"spread", mean.is_null() ? Json(nullptr) : Json(0.02)},
          {"chosen", chosen},      {"diverged", diverged}};
}

/// A results.json in today's form: two scored rows with two seeds each, one without a score, tests with and
/// without an interval and one that cannot be, rates, and trials of every fate.
inline Json results_of_today() {
  return {{"name", "today"},
          {"model", "opt-tiny"},
          {"tasks", {"cb"}},
          {"seeds", {0, 1}},
          {"rows",
           {scored_row("lora", 0.61, {"lora-0", "lora-1"}),
            scored_row("cola", 0.62, {"cola-0", "cola-1"}),
            {{"task", "cb"},
             {"method", "full"},
             {"setting", Json::object()},
             {"label", "full"},
             {"tries", 2},
             {"reason", "all rates diverged"}}}},
          {"tests",
           {paired_test("lora", "cola", {-0.02, 0.04}),
            paired_test("lora", "same", nullptr),
            {{"task", "cb"}, {"a", "lora"}, {"b", "icl"}, {"reason", "tested on other questions"}}}},
          {"rates",
           {rate_try("lora", 1e-3, 0.61, true, false), rate_try("lora", 1e-2, nullptr, false, true),
            rate_try("cola", 1e-3, 0.62, true, false), rate_try("cola", 1e-2, 0.5, false, false)}},
          {"majority", {{"cb", 0.375}}},
          {"gain_over", "lora"},
          {"diverged", {"cb-full-0"}},
          {"failed", {{{"trial", "cb-x-0"}, {"text", "not enough <memory>"}}}},
          {"missing", {"cb-y-0", "cb-y-1"}},
          {"warnings", {{{"trial", "lora-0"}, {"text", "gives one answer to 99 % of the questions"}}}}};
}

inline void write_results(const std::filesystem::path& folder, const Json& results) {
  std::filesystem::create_directories(folder);
  write_text_file(folder / "results.json", results.dump());
}

inline std::size_t count(const std::string& text, const std::string& what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

}  // namespace cola::test
