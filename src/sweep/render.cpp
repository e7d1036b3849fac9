#include "sweep/render.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "io/files.h"
#include "sweep/file_lock.h"
#include "sweep/grid_table.h"

namespace cola {
namespace {

constexpr int lock_patience = 10;  // s: writing takes milliseconds
constexpr const char* grid_edge_note =
    "* the lowest or highest rate of its grid: a wider grid could have a better one";
constexpr const char* official_caption = "The tasks' official metrics in %, where the paper's is another:";
constexpr const char* tests_caption = "Paired tests over the same test examples and seeds:";

std::string caption(const SweepResults& results) {
  return fmt::format(
      "{}: {}, seeds {}. Test score in %: mean ± sample standard deviation over seeds. The learning rate is "
      "the "
      "best on dev.",
      results.name, results.model, fmt::join(results.seeds, ", "));
}

std::string named_trials(const std::string& what, const std::vector<std::string>& trials, std::size_t of) {
  if (trials.empty()) return {};
  constexpr std::size_t most_named = 10;
  std::string text = fmt::format("\n{}: {} of {} trials:", what, trials.size(), of);
  for (std::size_t i = 0; i < std::min(most_named, trials.size()); ++i) text += " " + trials[i];
  return text + (trials.size() > most_named ? " ...\n" : "\n");
}

/// What a reader must know beside the tables.
std::string notes_text(const SweepResults& results) {
  std::string text;
  if (std::ranges::any_of(results.rows, &ResultRow::at_grid_edge))
    text += fmt::format("\n{}\n", grid_edge_note);
  return text + named_trials("Diverged, never chosen", results.diverged, results.trial_count) +
         named_trials("Not finished", results.missing, results.trial_count);
}

Json number_or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json official_json(const ResultRow& row) {
  Json json;
  for (const auto& [name, scores] : row.official) {
    json[name] = scores.empty() ? Json(nullptr)
                                : Json{{"scores", scores},
                                       {"mean", mean_of(scores)},
                                       {"spread", number_or_null(spread_of(scores))}};
  }
  return json;
}

/// "name=mean" of each, for a cell.
std::string official_text(const ResultRow& row) {
  std::vector<std::string> parts;
  for (const auto& [name, scores] : row.official)
    parts.push_back(fmt::format("{}={}", name, scores.empty() ? "" : fmt::format("{}", mean_of(scores))));
  return fmt::format("{}", fmt::join(parts, ";"));
}

Json row_json(const ResultRow& row) {
  Json setting = Json::object();
  for (const auto& [option, value] : row.setting) setting[option] = value;
  const auto sum = [](const std::vector<std::int64_t>& values) {
    return std::accumulate(values.begin(), values.end(), std::int64_t{0});
  };
  const bool counts = !row.correct.empty();
  return {{"task", row.task},
          {"method", row.method},
          {"setting", setting},
          {"label", row_label(row)},
          {"learning_rate", number_or_null(row.learning_rate)},
          {"at_grid_edge", row.at_grid_edge},
          {"metric", row.metric},
          {"seeds", row.seeds},
          {"scores", row.scores},
          {"mean", row.mean},
          {"spread", number_or_null(row.spread)},
          {"correct", counts ? Json(row.correct) : Json(nullptr)},
          {"total", row.total},
          {"pooled",
           {{"correct", counts ? Json(sum(row.correct)) : Json(nullptr)},
            {"total", sum(row.total)},
            {"interval", {row.interval_low, row.interval_high}}}},
          {"official", official_json(row)},
          {"relative_gain", number_or_null(row.relative_gain)},
          {"dev_scores", row.dev_scores},
          {"links", row.links},
          {"tested_links", row.tested_links},
          {"hf_flos", row.hf_flos},
          {"hf_flos_saved", row.hf_flos_saved},
          {"real_flops", row.real_flops},
          {"trials", row.trials}};
}

std::string csv_quoted(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char letter : text) {
    if (letter == '"') quoted += '"';
    quoted += letter;
  }
  return quoted + "\"";
}

double mean_count(const std::vector<std::int64_t>& values) {
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  return values.empty() ? 0.0 : sum / static_cast<double>(values.size());
}

std::string optional_text(const std::optional<double>& value) {
  return value ? fmt::format("{}", *value) : std::string();
}

}  // namespace

std::string row_label(const ResultRow& row) {
  std::string label = row.method;
  for (const auto& [option, value] : row.setting) label += fmt::format(" {} {}", option, value);
  return label;
}

std::string results_text(const SweepResults& results) {
  std::string text = fmt::format("{}\n\n{}\n{}", caption(results), aligned_text(paper_table(results)),
                                 aligned_text(detail_table(results)));
  if (const TextTable table = official_table(results); table.rows.size() > 1)
    text += fmt::format("\n{}\n{}", official_caption, aligned_text(table));
  if (!results.tests.empty())
    text += fmt::format("\n{}\n{}", tests_caption, aligned_text(test_table(results)));
  return text + notes_text(results);
}

std::string results_markdown(const SweepResults& results) {
  std::string text = fmt::format("{}\n\n{}\n{}", caption(results), markdown_text(paper_table(results)),
                                 markdown_text(detail_table(results)));
  if (const TextTable table = official_table(results); table.rows.size() > 1)
    text += fmt::format("\n{}\n\n{}", official_caption, markdown_text(table));
  if (!results.tests.empty())
    text += fmt::format("\n{}\n\n{}", tests_caption, markdown_text(test_table(results)));
  return text + notes_text(results);
}

std::string results_latex(const SweepResults& results) {
  std::string text = fmt::format(
      "% mean and sample standard deviation over seeds, in percent\n{}\n"
      "% learning rates chosen on dev, counts, intervals, cost\n{}",
      latex_text(paper_table(results)), latex_text(detail_table(results)));
  if (std::ranges::any_of(results.rows, &ResultRow::at_grid_edge))
    text += fmt::format("% {}\n", grid_edge_note);
  if (const TextTable table = official_table(results); table.rows.size() > 1)
    text += fmt::format("\n% official metrics, where the paper's is another\n{}", latex_text(table));
  if (!results.tests.empty())
    text += fmt::format("\n% paired tests over the same test examples and seeds\n{}",
                        latex_text(test_table(results)));
  return text;
}

std::string results_csv(const SweepResults& results) {
  std::string text =
      "task,method,label,learning_rate,metric,seeds,mean,spread,correct,total,interval_low,interval_high,"
      "relative_gain,links,tested_links,hf_flos,hf_flos_saved,real_flops,at_grid_edge,official\n";
  for (const ResultRow& row : results.rows) {
    const Json json = row_json(row);
    const Json& correct = json["pooled"]["correct"];
    text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", csv_quoted(row.task),
                        csv_quoted(row.method), csv_quoted(row_label(row)), optional_text(row.learning_rate),
                        row.metric, row.seeds.size(), row.mean, optional_text(row.spread),
                        correct.is_null() ? "" : correct.dump(), json["pooled"]["total"].dump(),
                        row.interval_low, row.interval_high, optional_text(row.relative_gain),
                        mean_count(row.links), mean_count(row.tested_links), row.hf_flos, row.hf_flos_saved,
                        row.real_flops, row.at_grid_edge, official_text(row));
  }
  return text;
}

Json results_json(const SweepResults& results) {
  Json rows = Json::array(), tests = Json::array();
  for (const ResultRow& row : results.rows) rows.push_back(row_json(row));
  for (const ResultTest& test : results.tests) {
    tests.push_back({{"task", test.task},
                     {"a", row_label(results.rows[test.a])},
                     {"b", row_label(results.rows[test.b])},
                     {"test", test.test},
                     {"p", test.p},
                     {"a_right_b_wrong", test.a_better},
                     {"b_right_a_wrong", test.b_better}});
  }
  return {{"name", results.name},
          {"model", results.model},
          {"tasks", results.tasks},
          {"seeds", results.seeds},
          {"rows", rows},
          {"tests", tests},
          {"gain_over", results.gain_over},
          {"diverged", results.diverged},
          {"missing", results.missing}};
}

void write_results(const SweepResults& results, const SweepFolder& folder) {
  const FileLock lock(folder.results_lock(),
                      fmt::format("{}: another process writes its tables", folder.root.string()),
                      lock_patience);
  remove_leftovers(folder.root);
  write_text_file(folder.root / "results.txt", results_text(results));
  write_text_file(folder.root / "results.md", results_markdown(results));
  write_text_file(folder.root / "results.tex", results_latex(results));
  write_text_file(folder.root / "results.csv", results_csv(results));
  write_text_file(folder.root / "results.json", results_json(results).dump(2) + "\n");
  double sum = 0.0;
  for (const auto& [id, seconds] : results.seconds) sum += seconds;
  write_text_file(folder.root / "timing.json",
                  Json{{"trials", results.seconds}, {"total_seconds", sum}}.dump(2) + "\n");
}

}  // namespace cola
