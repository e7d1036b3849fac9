#include "sweep/results_csv.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <numeric>
#include <vector>

#include "sweep/result_tables.h"

namespace cola {
namespace {

/// A line of a file. Numbers are the shortest text that is read back as the same.
class CsvLine {
 public:
  CsvLine& text(const std::string& value) {
    if (value.find_first_of(",\"\n\r") == std::string::npos) return raw(value);
    std::string quoted = "\"";
    for (const char letter : value) {
      if (letter == '"') quoted += '"';
      quoted += letter;
    }
    return raw(quoted + "\"");
  }
  template <class T>
  CsvLine& number(const T& value) {
    return raw(fmt::format("{}", value));
  }
  template <class T>
  CsvLine& number(const std::optional<T>& value) {
    return value ? number(*value) : none();
  }
  CsvLine& none() { return raw(""); }
  [[nodiscard]] std::string line() const { return fmt::format("{}\n", fmt::join(cells_, ",")); }

 private:
  CsvLine& raw(std::string cell) {
    cells_.push_back(std::move(cell));
    return *this;
  }
  std::vector<std::string> cells_;
};

/// "ranks=8,6;lora-r=4".
std::string setting_text(const SweepSetting& setting, const SweepSetting& tuned = {}) {
  std::vector<std::string> parts;
  for (const SweepSetting* part : {&setting, &tuned}) {
    for (const auto& [option, value] : *part) parts.push_back(fmt::format("{}={}", option, value));
  }
  return fmt::format("{}", fmt::join(parts, ";"));
}

/// "name=mean" of each.
std::string official_text(const ResultRow& row) {
  std::vector<std::string> parts;
  for (const auto& [name, scores] : row.official)
    parts.push_back(fmt::format("{}={}", name, scores.empty() ? "" : fmt::format("{}", mean_of(scores))));
  return fmt::format("{}", fmt::join(parts, ";"));
}

std::int64_t sum(const std::vector<std::int64_t>& values) {
  return std::accumulate(values.begin(), values.end(), std::int64_t{0});
}

std::optional<double> mean_count(const std::vector<std::int64_t>& values) {
  if (values.empty()) return std::nullopt;
  return static_cast<double>(sum(values)) / static_cast<double>(values.size());
}

template <class T>
std::optional<T> where(bool present, const T& value) {
  return present ? std::optional(value) : std::nullopt;
}

}  // namespace

std::string results_csv(const SweepResults& results) {
  std::string text =
      "task,method,label,learning_rate,metric,seeds,mean,spread,correct,total,interval_low,interval_high,"
      "relative_gain,links,tested_links,hf_flos,hf_flos_saved,real_flops,at_grid_edge,official,questions,"
      "chosen,dev_score,tries,gain_over,status\n";
  for (const ResultRow& row : results.rows) {
    const bool scored = row.scored();
    CsvLine line;
    line.text(row.task).text(row.method).text(row_label(row)).number(row.learning_rate).text(row.metric);
    line.number(row.seeds.size()).number(where(scored, row.mean)).number(row.spread);
    line.number(where(!row.correct.empty(), sum(row.correct))).number(where(scored, sum(row.total)));
    line.number(where(scored, row.interval.low)).number(where(scored, row.interval.high));
    line.number(row.relative_gain).number(mean_count(row.links)).number(mean_count(row.tested_links));
    line.number(row.hf_flos).number(row.hf_flos_saved).number(row.real_flops).number(row.at_grid_edge);
    line.text(official_text(row)).number(where(scored, row.questions)).text(setting_text(row.tuned));
    line.number(where(!row.dev_scores.empty(), row.dev_scores.empty() ? 0.0 : mean_of(row.dev_scores)));
    line.number(row.tries).text(row.gain_base ? row_label(results.rows[*row.gain_base]) : "");
    text += line.text(scored ? (row.provisional ? "provisional" : "scored") : row.reason).line();
  }
  return text;
}

std::string tests_csv(const SweepResults& results) {
  std::string text =
      "task,a,b,difference,interval_low,interval_high,smallest_difference,test,questions,a_higher,b_higher,p,"
      "mid_p,p_holm,seeds,p_seeds,p_seeds_holm,reason\n";
  for (const ResultTest& test : results.tests) {
    const bool paired = test.reason.empty();
    CsvLine line;
    line.text(test.task).text(row_label(results.rows[test.a])).text(row_label(results.rows[test.b]));
    line.number(where(paired, test.difference));
    line.number(where(test.interval.has_value(), test.interval.value_or(Interval{}).low));
    line.number(where(test.interval.has_value(), test.interval.value_or(Interval{}).high));
    line.number(test.smallest).text(test.test).number(where(paired, test.questions));
    line.number(where(paired, test.a_higher)).number(where(paired, test.b_higher));
    line.number(where(paired, test.p)).number(where(paired, test.mid_p)).number(where(paired, test.p_holm));
    line.number(where(paired, test.seeds));
    text += line.number(test.p_seeds).number(test.p_seeds_holm).text(test.reason).line();
  }
  return text;
}

std::string rates_csv(const SweepResults& results) {
  std::string text =
      "task,method,label,chosen_options,learning_rate,seeds,dev_score,dev_loss,test_score,test_spread,chosen,"
      "diverged\n";
  for (const RateScore& rate : results.rates) {
    CsvLine line;
    line.text(rate.task).text(rate.method).text(row_label(rate.method, rate.setting));
    line.text(setting_text(rate.tuned)).number(rate.learning_rate).number(rate.seeds.size());
    line.number(rate.dev_score).number(rate.dev_loss).number(rate.mean).number(rate.spread);
    text += line.number(rate.chosen).number(rate.diverged).line();
  }
  return text;
}

std::string trials_csv(const SweepPlan& plan, const SweepTrials& trials) {
  std::string text =
      "trial,task,method,settings,learning_rate,seed,status,dev_score,dev_loss,test_score,correct,total,"
      "different_answers,most_common_share,tied,diverged,seconds,hf_flos,real_flops\n";
  for (const SweepTrial& trial : plan.trials) {
    const auto entry = trials.finished.find(trial.id);
    const TrialResult* result = entry == trials.finished.end() ? nullptr : &entry->second;
    const bool diverged = result != nullptr && result->diverged;
    const std::string status = diverged                           ? "diverged"
                               : result != nullptr                ? "finished"
                               : trials.failed.contains(trial.id) ? "failed"
                                                                  : "not finished";
    CsvLine line;
    line.text(trial.id).text(trial.task).text(trial.method).text(setting_text(trial.setting, trial.tuned));
    line.number(trial.learning_rate).number(trial.seed).text(status);
    if (result == nullptr || diverged) {
      for (int i = 0; i < 8; ++i) line.none();
      text += line.number(diverged).none().none().none().line();
      continue;
    }
    line.number(result->dev_score).number(result->dev_loss).number(result->score).number(result->correct);
    line.number(result->total).number(result->predictions.different_answers);
    line.number(result->predictions.most_common_share).number(result->predictions.tied).number(false);
    text += line.number(result->seconds).number(result->hf_flos).number(result->real_flops).line();
  }
  return text;
}

}  // namespace cola
