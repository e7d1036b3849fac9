#include "report/report_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "report/report_text.h"

namespace cola {
namespace {

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

/// Of a scored row, with the mark of a provisional choice.
std::string marked_score(const ScoreRow& row) { return mean_and_spread(row) + (row.provisional ? "‡" : ""); }

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

std::string rate_cell(const ScoreRow& row) {
  return row.learning_rate
             ? fmt::format("{:.3g}{}{}", *row.learning_rate, row.at_grid_edge ? "*" : "", row.chosen)
             : nothing;
}

std::string dev_cell(const ScoreRow& row) {
  if (row.dev_scores.empty()) return nothing;
  const double sum = std::accumulate(row.dev_scores.begin(), row.dev_scores.end(), 0.0);
  return score(sum / static_cast<double>(row.dev_scores.size()), row.metric) + (row.chosen_on_dev ? "†" : "");
}

std::vector<Cell> score_cells(const ScoreRow& row) {
  const std::string tries = row.tries > 0 ? std::to_string(row.tries) : nothing;
  if (!row.scored()) {
    return {text_cell(row.task), key_cell(row.label), {nothing}, text_cell(nothing), {nothing}, {nothing},
            {row.reason},        {nothing},           {nothing}, {nothing},          {nothing}, {tries}};
  }
  const std::string counted =
      row.correct ? fmt::format("{} of {}", *row.correct, row.total) : fmt::format("{} answers", row.total);
  return {text_cell(row.task),
          key_cell(row.label),
          {rate_cell(row)},
          text_cell(is_share(row.metric) ? row.metric + ", %" : row.metric),
          {row.scores.empty() ? nothing : std::to_string(row.scores.size())},
          {row.questions ? std::to_string(*row.questions) : nothing},
          {marked_score(row)},
          {gain(row)},
          {row.total > 0 ? counted : nothing},
          {row.total > 0 ? score(row.low, row.metric) + " to " + score(row.high, row.metric) : nothing},
          {dev_cell(row)},
          {tries}};
}

/// The explanations of the marks that occur.
std::string notes_of_marks(const SweepReport& sweep) {
  std::string notes;
  const auto add = [&](bool ScoreRow::* mark, const char* note) {
    if (std::ranges::any_of(sweep.rows, mark)) notes += fmt::format("<p>{}</p>\n", note);
  };
  add(&ScoreRow::at_grid_edge,
      "* the lowest or highest rate of its grid: a wider grid could have a better one");
  add(&ScoreRow::chosen_on_dev,
      "† the best of its tries on dev: this number chose the rate, so it is too high");
  add(&ScoreRow::provisional, "‡ provisional: chosen before all its tries had finished with all seeds");
  return notes;
}

std::string overview_cell(const ScoreRow* row) {
  if (row == nullptr) return nothing;
  if (row->scored()) return marked_score(*row);
  return row->reason.find("diverged") == std::string::npos ? nothing : "diverged";
}

/// The last line of the overview: what always giving the most common right answer would score.
std::vector<Cell> majority_cells(const SweepReport& sweep, const std::vector<std::string>& header) {
  std::vector<Cell> cells = {key_cell("(majority class)")};
  for (std::size_t i = 1; i < header.size(); ++i) {
    const auto row = std::ranges::find(sweep.majority, header[i], &MajorityRow::task);
    cells.push_back({row == sweep.majority.end() ? nothing : fmt::format("{:.2f}", 100.0 * row->score)});
  }
  return cells;
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
  return html_section("runs", "Runs",
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
      scores.push_back({overview_cell(row)});
      gains.push_back({row == nullptr ? nothing : gain(*row)});
      if (row == nullptr || !row->relative_gain) continue;
      has_gain = true;
      if (!row->gain_over.empty()) gains.front() = key_cell("gain over " + row->gain_over);
    }
    rows.push_back(std::move(scores));
    if (has_gain) rows.push_back(std::move(gains));
  }
  if (!sweep.majority.empty()) rows.push_back(majority_cells(sweep, header));
  return html_section("overview", "Scores by task",
                      "<p>Test scores, mean ± sample standard deviation over the seeds; accuracy and F1 in "
                      "percent. The learning rate is the best on dev.</p>\n" +
                          html_table(header, rows));
}

std::string scores_table(const SweepReport& sweep) {
  std::vector<std::vector<Cell>> rows;
  for (const ScoreRow& row : sweep.rows) rows.push_back(score_cells(row));
  const bool by_question =
      std::ranges::any_of(sweep.rows, [](const ScoreRow& row) { return row.questions.has_value(); });
  const char* const text =
      by_question ? "<p>95 % intervals are over questions, all seeds of a question together.</p>\n"
                  : "<p>Counts and 95 % intervals are over the test items of all seeds together.</p>\n";
  return html_section(
      "scores", "Scores in full",
      text + notes_of_marks(sweep) +
          html_table({"task", "method", "learning rate", "metric", "seeds", "questions", "score",
                      "relative gain", "correct", "95 % interval", "dev score", "tries"},
                     rows));
}

std::string costs_table(const SweepReport& sweep) {
  std::vector<std::vector<Cell>> rows;
  for (const ScoreRow& row : sweep.rows) {
    if (!row.scored() || (range(row.links) == nothing && row.hf_flos <= 0.0 && row.real_flops <= 0.0))
      continue;
    rows.push_back({text_cell(row.task),
                    key_cell(row.label),
                    {range(row.links)},
                    {range(row.tested_links)},
                    {flops(row.hf_flos)},
                    {flops(row.hf_flos_saved)},
                    {flops(row.real_flops)}});
  }
  if (rows.empty()) return {};
  return html_section(
      "costs", "Links and cost",
      "<p>Links: trained, and of the state that was tested, which is that of the best epoch. Cost: means "
      "over "
      "the seeds.</p>\n" +
          html_table({"task", "method", "links", "tested links", "hf_flos", "hf_flos saved", "real FLOPs"},
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
  return html_section(
      "official", "Official metrics",
      "<p>What the data sets' own scripts give, in percent, where the paper's metric is another.</p>\n" +
          html_table({"task", "method", "official metric", "score, %"}, rows));
}

}  // namespace cola
