#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>

#include "report/report_tables.h"
#include "report/report_text.h"

namespace cola {
namespace {

using Rows = std::vector<std::vector<Cell>>;

std::string points(std::optional<double> share) {
  return share ? fmt::format("{:+.2f}", 100.0 * *share) : nothing;
}

std::string percent(std::optional<double> share) {
  return share ? fmt::format("{:.2f}", 100.0 * *share) : nothing;
}

std::string count(std::optional<std::int64_t> value) { return value ? std::to_string(*value) : nothing; }

/// Whether the test is of a file that has more than counts and p, as those of before do.
bool has_details(const PairedTest& test) { return test.p_holm || test.questions || test.seeds; }

/// Names of `most` trials, and a line with the number of the rest.
void add_trials(const char* state, const std::vector<ReportedTrial>& trials, std::size_t most, Rows& rows) {
  for (std::size_t i = 0; i < std::min(most, trials.size()); ++i)
    rows.push_back({text_cell(state), key_cell(trials[i].trial), text_cell(trials[i].text)});
  if (trials.size() > most)
    rows.push_back(
        {text_cell(state), key_cell(fmt::format("and {} more", trials.size() - most)), text_cell("")});
}

std::vector<ReportedTrial> without_text(const std::vector<std::string>& names) {
  std::vector<ReportedTrial> trials;
  for (const std::string& name : names) trials.push_back({name, ""});
  return trials;
}

}  // namespace

std::string differences_table(const SweepReport& sweep) {
  Rows rows;
  for (const PairedTest& test : sweep.tests) {
    if (test.reason.empty() && !test.difference) continue;
    std::string interval = nothing;
    if (!test.reason.empty()) {
      interval = test.reason;
    } else if (test.low && test.high) {
      interval = points(test.low) + " to " + points(test.high);
    }
    rows.push_back({text_cell(test.task),
                    text_cell(test.a),
                    text_cell(test.b),
                    {points(test.difference)},
                    {std::move(interval)},
                    {percent(test.smallest)}});
  }
  if (rows.empty()) return {};
  return html_section(
      "differences", "Differences",
      "<p>A − B in points, paired by question, with 95 % intervals over questions. Smallest: the difference "
      "that "
      "this many questions, differing as much as they do, would have shown with a power of 0.8.</p>\n" +
          html_table({"task", "A", "B", "difference", "95 % interval", "smallest"}, rows));
}

std::string tests_table(const SweepReport& sweep) {
  Rows rows;
  bool details = false;
  for (const PairedTest& test : sweep.tests) {
    if (!test.reason.empty()) continue;
    details = details || has_details(test);
    rows.push_back({text_cell(test.task),
                    text_cell(test.a),
                    text_cell(test.b),
                    text_cell(test.test),
                    {count(test.questions)},
                    {count(test.a_higher)},
                    {count(test.b_higher)},
                    {p_text(test.p)},
                    {p_text(test.p_holm)},
                    {count(test.seeds)},
                    {p_text(test.p_seeds)},
                    {p_text(test.p_seeds_holm)}});
  }
  if (rows.empty()) return {};
  std::string text = "<p>Two-sided. A higher, B higher: questions on which it has the higher score.";
  if (details) {
    text += fmt::format(
        " Holm: adjusted for all {} tests of the table. By question: do these trained models differ on such "
        "questions? By seed (paired t test): does the method, trained once more?",
        rows.size());
  }
  return html_section("tests", "Paired tests",
                      text + "</p>\n" +
                          html_table({"task", "A", "B", "test", "questions", "A higher", "B higher", "p",
                                      "Holm", "seeds", "p by seed", "Holm"},
                                     rows));
}

std::string rates_table(const SweepReport& sweep) {
  std::set<std::pair<std::string, std::string>> seen, several;  // by task and label
  for (const RateRow& rate : sweep.rates)
    if (!seen.insert({rate.task, rate.label}).second) several.insert({rate.task, rate.label});
  Rows rows;
  for (const RateRow& rate : sweep.rates) {
    if (!several.contains({rate.task, rate.label})) continue;
    std::string test = percent(rate.mean);
    if (rate.mean && rate.spread) test += " ± " + percent(rate.spread);
    rows.push_back({text_cell(rate.task),
                    key_cell(rate.label),
                    {fmt::format("{:.3g}{}", rate.learning_rate, rate.tuned)},
                    {std::to_string(rate.seeds)},
                    {percent(rate.dev_score)},
                    {rate.dev_loss ? fmt::format("{:.4f}", *rate.dev_loss) : nothing},
                    {std::move(test)},
                    text_cell(rate.chosen     ? "chosen"
                              : rate.diverged ? "diverged"
                                              : "")});
  }
  if (rows.empty()) return {};
  return html_section(
      "rates", "Scores against the learning rate",
      "<p>In percent, means over the seeds; of the tries of a row the best on dev is chosen.</p>\n" +
          html_table({"task", "method", "learning rate", "seeds", "dev score", "dev loss", "test score", ""},
                     rows));
}

std::string trials_table(const SweepReport& sweep, std::size_t most) {
  Rows rows;
  add_trials("failed", sweep.failed, most, rows);
  add_trials(sweep.tells_failed ? "not finished" : "not finished, or failed", without_text(sweep.missing),
             most, rows);
  add_trials("diverged", without_text(sweep.diverged), most, rows);
  add_trials("warning", sweep.warnings, most, rows);
  if (rows.empty()) return {};
  return html_section("trials", "Trials to look at", html_table({"", "trial", ""}, rows));
}

}  // namespace cola
