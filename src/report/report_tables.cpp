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
  return is_share(metric) ? fmt::format("{:.2f}", 100.0 * value) : fmt::format("{:.4g}", value);
}

std::string mean_and_spread(const ScoreRow& row) {
  const std::string mean = score(row.mean, row.metric);
  return row.scores.size() < 2 ? mean : mean + " ± " + score(row.spread, row.metric);
}

std::string flops(double count) { return count > 0.0 ? fmt::format("{:.3g}", count) : nothing; }

std::string gain(const ScoreRow& row) {
  return row.relative_gain ? fmt::format("{:+.2f} %", 100.0 * *row.relative_gain) : nothing;
}

/// "3", or "2-4" where seeds differ.
std::string range(const std::vector<double>& values) {
  if (values.empty() || std::ranges::max(values) < 1.0) return nothing;
  const auto [low, high] = std::ranges::minmax(values);
  return low == high ? fmt::format("{:.0f}", low) : fmt::format("{:.0f}-{:.0f}", low, high);
}

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
          key_cell(row.label),
          {number(row.learning_rate, "{:.3g}") + (row.at_grid_edge ? "*" : "")},
          text_cell(is_share(row.metric) ? row.metric + ", %" : row.metric),
          {mean_and_spread(row)},
          {gain(row)},
          {row.total > 0 ? counted : nothing},
          {row.total > 0 ? score(row.low, row.metric) + " to " + score(row.high, row.metric) : nothing},
          {dev},
          {range(row.links)},
          {range(row.tested_links)},
          {flops(row.hf_flos)},
          {flops(row.hf_flos_saved)},
          {flops(row.real_flops)}};
}

}  // namespace

std::string runs_table(std::span<const RunReport> runs) {
  std::vector<std::vector<Cell>> rows;
  for (const RunReport& run : runs) {
    rows.push_back({key_cell(run.name),
                    text_cell(run.method),
                    {run.links > 0 ? std::to_string(run.links) : nothing},
                    {std::to_string(run.steps) + (run.ended ? "" : ", not ended")},
                    {number(last_of(run.loss), "{:.4f}")},
                    {number(last_of(run.dev_loss), "{:.4f}")},
                    {number(lowest_of(run.dev_loss), "{:.4f}")},
                    {run.dev_score.empty() ? nothing : score(run.dev_score.back().value, "accuracy")},
                    {std::to_string(run.tokens)},
                    {fmt::format("{:.1f}", run.seconds)},
                    {flops(run.hf_flos)},
                    {flops(run.real_flops)}});
  }
  return section("runs", "Runs",
                 html_table({"run", "method", "links", "steps", "last loss", "dev loss", "best dev loss",
                             "dev score, %", "tokens", "seconds", "hf_flos", "real FLOPs"},
                            rows));
}

std::string overview_table(const SweepReport& sweep) {
  std::vector<std::string> header = {"method"}, labels;
  std::map<std::pair<std::string, std::string>, const ScoreRow*> found;  // by label and task
  for (const ScoreRow& row : sweep.rows) {
    if (std::ranges::find(labels, row.label) == labels.end()) labels.push_back(row.label);
    if (std::find(header.begin() + 1, header.end(), row.task) == header.end()) header.push_back(row.task);
    found.try_emplace({row.label, row.task}, &row);
  }
  std::vector<std::vector<Cell>> rows;
  for (const std::string& label : labels) {
    std::vector<Cell> scores = {key_cell(label)}, gains = {key_cell("gain over " + sweep.gain_over)};
    bool has_gain = false;
    for (std::size_t i = 1; i < header.size(); ++i) {
      const auto cell = found.find({label, header[i]});
      const ScoreRow* row = cell == found.end() ? nullptr : cell->second;
      scores.push_back({row == nullptr ? nothing : mean_and_spread(*row)});
      gains.push_back({row == nullptr ? nothing : gain(*row)});
      has_gain = has_gain || (row != nullptr && row->relative_gain);
    }
    rows.push_back(std::move(scores));
    if (has_gain) rows.push_back(std::move(gains));
  }
  return section(
      "overview", "Scores by task",
      "<p>Mean and spread over the seeds; accuracy and F1 in percent.</p>\n" + html_table(header, rows));
}

std::string scores_table(const SweepReport& sweep) {
  std::vector<std::vector<Cell>> rows;
  for (const ScoreRow& row : sweep.rows) rows.push_back(score_cells(row));
  const bool edge = std::ranges::any_of(sweep.rows, &ScoreRow::at_grid_edge);
  const std::string text = fmt::format(
      "<p>Counts and 95 % intervals are over the test items of all seeds together. Links: trained, and of "
      "the state that was tested, which is that of the best epoch.{}</p>\n",
      edge ? " * the lowest or highest rate of its grid: a wider grid could have a better one." : "");
  return section("scores", "Scores in full",
                 text + html_table({"task", "method", "learning rate", "metric", "score", "relative gain",
                                    "correct", "95 % interval", "dev score", "links", "tested links",
                                    "hf_flos", "hf_flos saved", "real FLOPs"},
                                   rows));
}

std::string official_table(const SweepReport& sweep) {
  std::vector<std::vector<Cell>> rows;
  for (const ScoreRow& row : sweep.rows) {
    for (const OfficialScore& official : row.official) {
      std::string mean = official.mean ? fmt::format("{:.2f}", 100.0 * *official.mean) : nothing;
      if (official.spread) mean += fmt::format(" ± {:.2f}", 100.0 * *official.spread);
      rows.push_back({text_cell(row.task), key_cell(row.label), text_cell(official.name), {std::move(mean)}});
    }
  }
  if (rows.empty()) return {};
  return section(
      "official", "Official metrics",
      "<p>What the data sets' own scripts give, in percent, where the paper's metric is another.</p>\n" +
          html_table({"task", "method", "official metric", "score, %"}, rows));
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
