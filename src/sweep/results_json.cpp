#include "sweep/results_json.h"

#include <numeric>

#include "sweep/result_tables.h"

namespace cola {
namespace {

Json number_or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json interval_json(const Interval& interval) { return {interval.low, interval.high}; }

Json setting_json(const SweepSetting& setting) {
  Json json = Json::object();
  for (const auto& [option, value] : setting) json[option] = value;
  return json;
}

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

Json row_json(const ResultRow& row, const SweepResults& results) {
  Json json{{"task", row.task},
            {"method", row.method},
            {"setting", setting_json(row.setting)},
            {"label", row_label(row)},
            {"tries", row.tries}};
  if (!row.scored()) {
    json["reason"] = row.reason;
    return json;
  }
  const auto sum = [](const std::vector<std::int64_t>& values) {
    return std::accumulate(values.begin(), values.end(), std::int64_t{0});
  };
  const bool counts = !row.correct.empty();
  json.update({{"chosen", setting_json(row.tuned)},
               {"learning_rate", number_or_null(row.learning_rate)},
               {"at_grid_edge", row.at_grid_edge},
               {"chosen_on_dev", row.chosen_on_dev},
               {"provisional", row.provisional},
               {"metric", row.metric},
               {"seeds", row.seeds},
               {"scores", row.scores},
               {"mean", row.mean},
               {"spread", number_or_null(row.spread)},
               {"correct", counts ? Json(row.correct) : Json(nullptr)},
               {"total", row.total},
               {"questions", row.questions},
               {"pooled",
                {{"correct", counts ? Json(sum(row.correct)) : Json(nullptr)},
                 {"total", sum(row.total)},
                 {"interval", interval_json(row.interval)}}},
               {"official", official_json(row)},
               {"relative_gain", number_or_null(row.relative_gain)},
               {"gain_over", row.gain_base ? Json(row_label(results.rows[*row.gain_base])) : Json(nullptr)},
               {"dev_scores", row.dev_scores},
               {"links", row.links},
               {"tested_links", row.tested_links},
               {"hf_flos", row.hf_flos},
               {"hf_flos_saved", row.hf_flos_saved},
               {"real_flops", row.real_flops},
               {"trials", row.trials}});
  return json;
}

Json test_json(const ResultTest& test, const SweepResults& results) {
  Json json{
      {"task", test.task}, {"a", row_label(results.rows[test.a])}, {"b", row_label(results.rows[test.b])}};
  if (!test.reason.empty()) {
    json["reason"] = test.reason;
    return json;
  }
  json.update({{"difference", test.difference},
               {"interval", test.interval ? interval_json(*test.interval) : Json(nullptr)},
               {"smallest_difference", number_or_null(test.smallest)},
               {"test", test.test},
               {"questions", test.questions},
               {"a_higher", test.a_higher},
               {"b_higher", test.b_higher},
               {"p", test.p},
               {"mid_p", test.mid_p},
               {"p_holm", test.p_holm},
               {"seeds", test.seeds},
               {"p_seeds", number_or_null(test.p_seeds)},
               {"p_seeds_holm", number_or_null(test.p_seeds_holm)}});
  return json;
}

Json rate_json(const RateScore& rate) {
  return {{"task", rate.task},
          {"method", rate.method},
          {"label", row_label(rate.method, rate.setting)},
          {"chosen_options", setting_json(rate.tuned)},
          {"learning_rate", rate.learning_rate},
          {"seeds", rate.seeds},
          {"dev_score", number_or_null(rate.dev_score)},
          {"dev_loss", number_or_null(rate.dev_loss)},
          {"mean", number_or_null(rate.mean)},
          {"spread", number_or_null(rate.spread)},
          {"chosen", rate.chosen},
          {"diverged", rate.diverged}};
}

Json notes_json(const std::vector<TrialNote>& notes) {
  Json json = Json::array();
  for (const TrialNote& note : notes) json.push_back({{"trial", note.trial}, {"text", note.text}});
  return json;
}

}  // namespace

Json results_json(const SweepResults& results) {
  Json rows = Json::array(), tests = Json::array(), rates = Json::array(), majority = Json::object();
  for (const ResultRow& row : results.rows) rows.push_back(row_json(row, results));
  for (const ResultTest& test : results.tests) tests.push_back(test_json(test, results));
  for (const RateScore& rate : results.rates) rates.push_back(rate_json(rate));
  for (const MajorityScore& score : results.majority) majority[score.task] = score.score;
  return {{"name", results.name},
          {"model", results.model},
          {"tasks", results.tasks},
          {"seeds", results.seeds},
          {"rows", rows},
          {"tests", tests},
          {"rates", rates},
          {"majority", majority},
          {"gain_over", results.gain_over},
          {"diverged", results.diverged},
          {"failed", notes_json(results.failed)},
          {"missing", results.missing},
          {"warnings", notes_json(results.warnings)}};
}

}  // namespace cola
