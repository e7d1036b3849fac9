#include "sweep/result_tables.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <numeric>

namespace cola {
namespace {

std::string percent(double score) { return fmt::format("{:.2f}", 100.0 * score); }

std::string percent(const std::optional<double>& score) { return score ? percent(*score) : "-"; }

std::string signed_percent(double score) { return fmt::format("{:+.2f}", 100.0 * score); }

std::string mean_and_spread(double mean, std::optional<double> spread) {
  return spread ? fmt::format("{} ± {}", percent(mean), percent(*spread)) : percent(mean);
}

std::string p_text(double p) { return p < 0.0001 ? "< 0.0001" : fmt::format("{:.4f}", p); }

std::string p_text(const std::optional<double>& p) { return p ? p_text(*p) : "-"; }

std::int64_t sum(const std::vector<std::int64_t>& values) {
  return std::accumulate(values.begin(), values.end(), std::int64_t{0});
}

/// Labels of the rows, each once, in the order of the results.
std::vector<std::string> labels_of(const SweepResults& results) {
  std::vector<std::string> labels;
  for (const ResultRow& row : results.rows) {
    const std::string label = row_label(row);
    if (std::ranges::find(labels, label) == labels.end()) labels.push_back(label);
  }
  return labels;
}

const ResultRow* find_row(const SweepResults& results, const std::string& label, const std::string& task) {
  const auto row = std::ranges::find_if(results.rows, [&](const ResultRow& candidate) {
    return candidate.task == task && row_label(candidate) == label;
  });
  return row == results.rows.end() ? nullptr : &*row;
}

/// "1e-4 ranks 8,6", with a star at the edge of the grid.
std::string rate_cell(const ResultRow& row) {
  if (!row.learning_rate) return "-";
  return row_label(rate_text(*row.learning_rate) + (row.at_grid_edge ? "*" : ""), row.tuned);
}

std::string flops_text(double flops) { return flops > 0.0 ? fmt::format("{:.2e}", flops) : "-"; }

/// "3", or "2-4" where seeds differ.
std::string range_text(const std::vector<std::int64_t>& values) {
  if (values.empty()) return "-";
  const auto [low, high] = std::ranges::minmax(values);
  return low == high ? std::to_string(low) : fmt::format("{}-{}", low, high);
}

std::string paper_cell(const ResultRow* row) {
  if (row == nullptr) return "-";
  if (row->scored()) return mean_and_spread(row->mean, row->spread) + (row->provisional ? "‡" : "");
  return row->reason.find("diverged") == std::string::npos ? "-" : "diverged";
}

/// "  gain over lora", or with the tasks where tasks have other bases; empty without any.
std::string gain_label(const std::map<std::string, std::vector<std::string>>& bases) {
  std::vector<std::string> names;
  for (const auto& [base, tasks] : bases)
    names.push_back(bases.size() == 1 ? base : fmt::format("{} ({})", base, fmt::join(tasks, ", ")));
  return names.empty() ? "" : fmt::format("  gain over {}", fmt::join(names, ", "));
}

TextTable paper_table(const SweepResults& results) {
  TextTable table{
      .caption = fmt::format("{}: {}, seeds {}. Test score in %: mean ± sample standard deviation "
                             "over seeds. The learning rate is the best on dev.",
                             results.name, results.model, fmt::join(results.seeds, ", ")),
      .alignment = fmt::format("l{:r>{}}", "", results.tasks.size()),
      .rows = {{"Method"}},
      .notes = {}};
  table.rows.back().insert(table.rows.back().end(), results.tasks.begin(), results.tasks.end());
  for (const std::string& label : labels_of(results)) {
    std::vector<std::string> scores{label}, gains{""};
    std::map<std::string, std::vector<std::string>> bases;  // tasks by the row that the gain is over
    for (const std::string& task : results.tasks) {
      const ResultRow* row = find_row(results, label, task);
      scores.push_back(paper_cell(row));
      const bool has_gain = row != nullptr && row->relative_gain;
      gains.push_back(has_gain ? fmt::format("{:+.2f}%", 100.0 * *row->relative_gain) : "-");
      if (has_gain) bases[row_label(results.rows[*row->gain_base])].push_back(task);
    }
    gains.front() = gain_label(bases);
    table.rows.push_back(std::move(scores));
    if (!gains.front().empty()) table.rows.push_back(std::move(gains));
  }
  if (results.majority.empty()) return table;
  std::vector<std::string> majority{"(majority class)"};
  for (const std::string& task : results.tasks) {
    const auto score = std::ranges::find(results.majority, task, &MajorityScore::task);
    majority.push_back(score == results.majority.end() ? "-" : percent(score->score));
  }
  table.rows.push_back(std::move(majority));
  return table;
}

TextTable scores_table(const SweepResults& results) {
  TextTable table{.caption =
                      "Test scores in %, with 95 % intervals over questions (all seeds of a question "
                      "together), and how the rates were chosen:",
                  .alignment = "lllrrrrrrr",
                  .rows = {{"Task", "Method", "Rate", "Questions", "Seeds", "Mean", "Correct", "95% interval",
                            "Dev", "Tries"}},
                  .notes = {}};
  bool edge = false, chosen = false, provisional = false;
  for (const ResultRow& row : results.rows) {
    const std::string tries = row.tries > 0 ? std::to_string(row.tries) : "-";
    if (!row.scored()) {
      table.rows.push_back({row.task, row_label(row), "-", "-", "-", row.reason, "-", "-", "-", tries});
      continue;
    }
    const std::string dev = row.dev_scores.empty() ? "-" : percent(mean_of(row.dev_scores));
    table.rows.push_back(
        {row.task + (row.metric == "f1" ? " (F1)" : ""), row_label(row), rate_cell(row),
         std::to_string(row.questions), std::to_string(row.scores.size()),
         percent(row.mean) + (row.provisional ? "‡" : ""),
         row.correct.empty() ? "-" : fmt::format("{} of {}", sum(row.correct), sum(row.total)),
         fmt::format("{} to {}", percent(row.interval.low), percent(row.interval.high)),
         dev + (row.chosen_on_dev ? "†" : ""), tries});
    edge = edge || row.at_grid_edge;
    chosen = chosen || row.chosen_on_dev;
    provisional = provisional || row.provisional;
  }
  if (edge)
    table.notes.emplace_back(
        "* the lowest or highest rate of its grid: a wider grid could have a better one");
  if (chosen)
    table.notes.emplace_back("† the best of its tries on dev: this number chose the rate, so it is too high");
  if (provisional)
    table.notes.emplace_back("‡ provisional: chosen before all its tries had finished with all seeds");
  return table;
}

TextTable difference_table(const SweepResults& results) {
  TextTable table{
      .caption = "Differences A - B in points, paired by question, with 95 % intervals over questions:",
      .alignment = "lllrrr",
      .rows = {{"Task", "A", "B", "Difference", "95% interval", "Smallest"}},
      .notes = {"Smallest: the difference that this many questions, differing as much as they do, would have "
                "shown with a power of 0.8."}};
  for (const ResultTest& test : results.tests) {
    std::vector<std::string> row{test.task, row_label(results.rows[test.a]), row_label(results.rows[test.b])};
    if (test.reason.empty()) {
      row.push_back(signed_percent(test.difference));
      row.push_back(test.interval ? fmt::format("{} to {}", signed_percent(test.interval->low),
                                                signed_percent(test.interval->high))
                                  : "-");
      row.push_back(percent(test.smallest));
    } else {
      row.insert(row.end(), {"-", test.reason, "-"});
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

TextTable test_table(const SweepResults& results) {
  TextTable table{
      .caption = "Paired tests, by question and by seed:",
      .alignment = "lllrrrrrrr",
      .rows = {{"Task", "A", "B", "Questions", "A : B", "p", "Holm", "Seeds", "p by seed", "Holm"}},
      .notes = {}};
  for (const ResultTest& test : results.tests) {
    if (!test.reason.empty()) continue;
    table.rows.push_back(
        {test.task, row_label(results.rows[test.a]), row_label(results.rows[test.b]),
         std::to_string(test.questions), fmt::format("{} : {}", test.a_higher, test.b_higher), p_text(test.p),
         p_text(test.p_holm), std::to_string(test.seeds), p_text(test.p_seeds), p_text(test.p_seeds_holm)});
  }
  table.notes.push_back(fmt::format(
      "A : B: questions with the higher score. Two-sided; Holm: adjusted for the {} tests of the "
      "table. By question (sign flips; McNemar's test for one seed): do these trained models differ "
      "on such questions? By seed (paired t test): would the methods, trained anew, on these?",
      table.rows.size() - 1));
  return table;
}

TextTable official_table(const SweepResults& results) {
  TextTable table{.caption = "The tasks' official metrics in %, where the paper's is another:",
                  .alignment = "lllr",
                  .rows = {{"Task", "Method", "Official metric", "Mean"}},
                  .notes = {}};
  for (const ResultRow& row : results.rows) {
    for (const auto& [name, scores] : row.official) {
      table.rows.push_back({row.task, row_label(row), name,
                            scores.empty() ? "-" : mean_and_spread(mean_of(scores), spread_of(scores))});
    }
  }
  return table;
}

/// Whether the rate was one of several.
bool had_others(const RateScore& rate, const SweepResults& results) {
  return std::ranges::any_of(results.rows, [&](const ResultRow& row) {
    return row.task == rate.task && row.method == rate.method && row.setting == rate.setting && row.tries > 1;
  });
}

TextTable rate_table(const SweepResults& results) {
  TextTable table{.caption = "Scores in % against the learning rate, means over seeds:",
                  .alignment = "lllrrrrl",
                  .rows = {{"Task", "Method", "Rate", "Seeds", "Dev", "Dev loss", "Test", "Choice"}},
                  .notes = {}};
  for (const RateScore& rate : results.rates) {
    if (!had_others(rate, results)) continue;
    table.rows.push_back({rate.task, row_label(rate.method, rate.setting),
                          row_label(rate_text(rate.learning_rate), rate.tuned),
                          std::to_string(rate.seeds.size()), percent(rate.dev_score),
                          rate.dev_loss ? fmt::format("{:.4f}", *rate.dev_loss) : "-",
                          rate.mean ? mean_and_spread(*rate.mean, rate.spread) : "-",
                          rate.chosen     ? "chosen"
                          : rate.diverged ? "diverged"
                                          : ""});
  }
  return table;
}

TextTable cost_table(const SweepResults& results) {
  TextTable table{.caption = "Links of the chains, and cost (means over seeds):",
                  .alignment = "llrrrrr",
                  .rows = {{"Task", "Method", "Links", "Tested", "hf_flos", "saved", "real_flops"}},
                  .notes = {}};
  for (const ResultRow& row : results.rows) {
    if (row.scored() && row.tries > 0)
      table.rows.push_back({row.task, row_label(row), range_text(row.links), range_text(row.tested_links),
                            flops_text(row.hf_flos), flops_text(row.hf_flos_saved),
                            flops_text(row.real_flops)});
  }
  return table;
}

constexpr std::size_t most_named = 10;

void add_named(std::vector<std::string>& notes, const std::string& what,
               const std::vector<std::string>& trials, std::size_t of) {
  if (trials.empty()) return;
  std::string text = fmt::format("{}: {} of {} trials:", what, trials.size(), of);
  for (std::size_t i = 0; i < std::min(most_named, trials.size()); ++i) text += " " + trials[i];
  notes.push_back(text + (trials.size() > most_named ? " ..." : ""));
}

}  // namespace

std::string row_label(const std::string& method, const SweepSetting& setting) {
  std::string label = method;
  for (const auto& [option, value] : setting) label += fmt::format(" {} {}", option, value);
  return label;
}

std::string row_label(const ResultRow& row) { return row_label(row.method, row.setting); }

std::vector<TextTable> result_tables(const SweepResults& results) {
  std::vector<TextTable> tables{paper_table(results), scores_table(results),   difference_table(results),
                                test_table(results),  official_table(results), rate_table(results),
                                cost_table(results)};
  std::erase_if(tables, [](const TextTable& table) { return table.empty(); });
  return tables;
}

std::vector<std::string> result_notes(const SweepResults& results) {
  std::vector<std::string> notes;
  add_named(notes, "Diverged, never chosen", results.diverged, results.trial_count);
  std::vector<std::string> failed;
  for (const TrialNote& trial : results.failed)
    failed.push_back(fmt::format("{} ({})", trial.trial, trial.text));
  add_named(notes, "Failed", failed, results.trial_count);
  add_named(notes, "Not finished", results.missing, results.trial_count);
  for (std::size_t i = 0; i < std::min(most_named, results.warnings.size()); ++i)
    notes.push_back(fmt::format("Warning: {} {}", results.warnings[i].trial, results.warnings[i].text));
  if (results.warnings.size() > most_named)
    notes.push_back(fmt::format("and {} more warnings", results.warnings.size() - most_named));
  return notes;
}

}  // namespace cola
