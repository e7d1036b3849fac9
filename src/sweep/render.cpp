#include "sweep/render.h"

#include <fmt/format.h>

#include "io/file_lock.h"
#include "io/files.h"
#include "io/json.h"
#include "sweep/result_tables.h"
#include "sweep/results_csv.h"
#include "sweep/results_json.h"

namespace cola {
namespace {

constexpr int lock_patience = 10;  // s: writing takes milliseconds

std::string joined(const SweepResults& results, std::string (*form)(const TextTable&),
                   const std::string& note_prefix) {
  std::string text;
  for (const TextTable& table : result_tables(results))
    text += fmt::format("{}{}", text.empty() ? "" : "\n", form(table));
  for (const std::string& note : result_notes(results)) text += fmt::format("\n{}{}\n", note_prefix, note);
  return text;
}

}  // namespace

std::string results_text(const SweepResults& results) { return joined(results, aligned_text, ""); }

std::string results_markdown(const SweepResults& results) { return joined(results, markdown_text, ""); }

std::string results_latex(const SweepResults& results) {
  return fmt::format("% needs \\usepackage{{booktabs}}\n{}", joined(results, latex_text, "% "));
}

void write_results(const SweepResults& results, const SweepPlan& plan, const SweepTrials& trials,
                   const SweepFolder& folder) {
  const FileLock lock(folder.results_lock(),
                      fmt::format("{}: another process writes its tables", folder.root.string()),
                      lock_patience);
  remove_leftovers(folder.root);
  write_text_file(folder.root / "results.txt", results_text(results));
  write_text_file(folder.root / "results.md", results_markdown(results));
  write_text_file(folder.root / "results.tex", results_latex(results));
  write_text_file(folder.root / "results.csv", results_csv(results));
  write_text_file(folder.root / "tests.csv", tests_csv(results));
  write_text_file(folder.root / "rates.csv", rates_csv(results));
  write_text_file(folder.root / "trials.csv", trials_csv(plan, trials));
  write_text_file(folder.root / "results.json",
                  results_json(results).dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  double sum = 0.0;
  for (const auto& [id, seconds] : results.seconds) sum += seconds;
  write_text_file(folder.root / "timing.json",
                  Json{{"trials", results.seconds}, {"total_seconds", sum}}.dump(2) + "\n");
}

}  // namespace cola
