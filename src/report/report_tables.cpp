#include "report/report_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "report/report_text.h"

namespace cola {
namespace {

const char* const nothing = "–";

std::string number(std::optional<double> value, const char* format) {
  return value ? fmt::format(fmt::runtime(format), *value) : nothing;
}

std::optional<double> last_of(const std::vector<CurvePoint>& curve) {
  return curve.empty() ? std::nullopt : std::optional(curve.back().value);
}

std::optional<double> lowest_of(const std::vector<CurvePoint>& curve) {
  if (curve.empty()) return std::nullopt;
  return std::ranges::min_element(curve, {}, &CurvePoint::value)->value;
}

std::string score(double value, const std::string& metric) {
  return is_share(metric) ? fmt::format("{:.1f}", 100.0 * value) : fmt::format("{:.4g}", value);
}

std::string mean_and_spread(const ScoreRow& row) {
  const std::string mean = score(row.mean, row.metric);
  return row.scores.size() < 2 ? mean : mean + " ± " + score(row.spread, row.metric);
}

std::string flops(double count) { return count > 0.0 ? fmt::format("{:.3g}", count) : nothing; }

std::string section(const char* id, const char* heading, const std::string& content) {
  return fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n{}</section>\n", id, heading, content);
}

std::vector<Cell> score_cells(const ScoreRow& row) {
  const std::string counted =
      row.correct ? fmt::format("{} of {}", *row.correct, row.total) : fmt::format("{} answers", row.total);
  const double dev_sum = std::accumulate(row.dev_scores.begin(), row.dev_scores.end(), 0.0);
  const std::string dev = row.dev_scores.empty()
                              ? nothing
                              : score(dev_sum / static_cast<double>(row.dev_scores.size()), row.metric);
  return {text_cell(row.task),
          text_cell(row.label),
          {number(row.learning_rate, "{:.3g}")},
          text_cell(is_share(row.metric) ? row.metric + ", %" : row.metric),
          {mean_and_spread(row)},
          {row.relative_gain ? fmt::format("{:+.1f} %", 100.0 * *row.relative_gain) : nothing},
          {row.total > 0 ? counted : nothing},
          {row.total > 0 ? score(row.low, row.metric) + " to " + score(row.high, row.metric) : nothing},
          {dev},
          {row.links > 0 ? std::to_string(row.links) : nothing},
          {flops(row.hf_flos)},
          {flops(row.real_flops)}};
}

}  // namespace

std::string runs_table(std::span<const RunReport> runs) {
  std::vector<std::vector<Cell>> rows;
  for (const RunReport& run : runs) {
    rows.push_back({text_cell(run.name),
                    text_cell(run.method),
                    {run.links > 0 ? std::to_string(run.links) : nothing},
                    {std::to_string(run.steps) + (run.ended ? "" : ", not ended")},
                    {number(last_of(run.loss), "{:.4f}")},
                    {number(last_of(run.dev_loss), "{:.4f}")},
                    {number(lowest_of(run.dev_loss), "{:.4f}")},
                    {number(last_of(run.dev_score), "{:.4f}")},
                    {std::to_string(run.tokens)},
                    {fmt::format("{:.1f}", run.seconds)},
                    {flops(run.hf_flos)},
                    {flops(run.real_flops)}});
  }
  return section("runs", "Runs",
                 html_table({"run", "method", "links", "steps", "last loss", "dev loss", "best dev loss",
                             "dev score", "tokens", "seconds", "hf_flos", "real FLOPs"},
                            rows));
}

std::string overview_table(const SweepReport& sweep) {
  std::vector<std::string> header = {"method"}, labels;
  std::map<std::pair<std::string, std::string>, std::string> cells;  // by label and task
  for (const ScoreRow& row : sweep.rows) {
    const std::string label = row.label;
    if (std::ranges::find(labels, label) == labels.end()) labels.push_back(label);
    if (std::find(header.begin() + 1, header.end(), row.task) == header.end()) header.push_back(row.task);
    std::string& cell = cells[{label, row.task}];
    cell += (cell.empty() ? "" : "; ") + mean_and_spread(row);
  }
  std::vector<std::vector<Cell>> rows;
  for (const std::string& label : labels) {
    std::vector<Cell> row = {text_cell(label)};
    for (std::size_t i = 1; i < header.size(); ++i) {
      const auto cell = cells.find({label, header[i]});
      row.push_back({cell == cells.end() ? nothing : cell->second});
    }
    rows.push_back(std::move(row));
  }
  return section(
      "overview", "Scores by task",
      "<p>Mean and spread over the seeds; accuracy and F1 in percent.</p>\n" + html_table(header, rows));
}

std::string scores_table(const SweepReport& sweep) {
  std::vector<std::vector<Cell>> rows;
  for (const ScoreRow& row : sweep.rows) rows.push_back(score_cells(row));
  return section("scores", "Scores in full",
                 "<p>Counts and 95 % intervals are over the test items of all seeds together.</p>\n" +
                     html_table({"task", "method", "learning rate", "metric", "score", "relative gain",
                                 "correct", "95 % interval", "dev score", "links", "hf_flos", "real FLOPs"},
                                rows));
}

std::string tests_table(const SweepReport& sweep) {
  if (sweep.tests.empty()) return {};
  std::vector<std::vector<Cell>> rows;
  const auto count = [](std::optional<std::int64_t> value) {
    return value ? std::to_string(*value) : nothing;
  };
  for (const PairedTest& test : sweep.tests) {
    rows.push_back({text_cell(test.task),
                    text_cell(test.a),
                    text_cell(test.b),
                    text_cell(test.test),
                    {count(test.a_only)},
                    {count(test.b_only)},
                    {fmt::format("{:.3g}", test.p)}});
  }
  return section("tests", "Paired tests",
                 html_table({"task", "a", "b", "test", "only a right", "only b right", "p"}, rows));
}

}  // namespace cola
