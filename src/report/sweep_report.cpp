#include <fmt/format.h>

#include <set>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"
#include "io/printable.h"
#include "report/report_data.h"

namespace cola {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t largest_results = std::size_t{64} << 20;
constexpr std::size_t most_rows = 1000, most_trials = 1000;

const Json& array_at(const JsonReader& reader, const char* key, std::size_t most) {
  const Json& value = reader.at(key);
  if (!value.is_array()) throw Error(fmt::format("{}: '{}' must be a list", reader.where(), key));
  if (value.size() > most)
    throw Error(
        fmt::format("{}: '{}' has {} entries, more than {}", reader.where(), key, value.size(), most));
  return value;
}

std::string text_at(const JsonReader& reader, const char* key) { return printable(reader.string(key)); }

std::vector<double> numbers_at(const JsonReader& reader, const char* key) {
  std::vector<double> numbers;
  if (!reader.has(key)) return numbers;
  for (const Json& value : array_at(reader, key, most_trials)) {
    if (value.is_null()) continue;
    if (!value.is_number()) throw Error(fmt::format("{}: '{}' must hold numbers", reader.where(), key));
    numbers.push_back(value.get<double>());
  }
  return numbers;
}

std::optional<double> optional_number(const JsonReader& reader, const char* key) {
  return reader.has(key) ? std::optional(reader.number(key)) : std::nullopt;
}

std::optional<std::int64_t> optional_integer(const JsonReader& reader, const char* key) {
  return reader.has(key) ? std::optional(reader.integer(key)) : std::nullopt;
}

/// A trial's name becomes part of a path: one component, and not one that leads elsewhere.
std::string trial_name(const Json& value, const std::string& where) {
  const auto* name = value.get_ptr<const std::string*>();
  if (name == nullptr || name->empty() || *name == "." || *name == ".." ||
      name->find_first_of(std::string_view("/\0", 2)) != std::string::npos) {
    throw Error(where + ": 'trials' must hold names of folders");
  }
  return *name;
}

std::string value_text(const Json& value) {
  return printable(value.is_string() ? value.get<std::string>()
                                     : value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void read_setting(const JsonReader& reader, ScoreRow& row) {
  static const std::set<std::string> of_the_chain = {"method", "links", "knots", "ranks", "alphas"};
  if (!reader.has("setting")) return;
  const JsonReader setting(reader.at("setting"), reader.where() + ": setting");
  for (const auto& [key, value] : setting.object().items()) {
    const std::string text = printable(key) + "=" + value_text(value);
    row.label += fmt::format(" {} {}", printable(key), value_text(value));
    if (!of_the_chain.contains(key)) row.chain_series += (row.chain_series.empty() ? "" : ", ") + text;
  }
}

void read_pooled(const JsonReader& reader, ScoreRow& row) {
  if (!reader.has("pooled")) return;
  const JsonReader pooled(reader.at("pooled"), reader.where() + ": pooled");
  row.correct = optional_integer(pooled, "correct");
  row.total = pooled.integer("total");
  const std::vector<double> interval = numbers_at(pooled, "interval");
  if (interval.size() != 2) throw Error(pooled.where() + ": 'interval' must hold two numbers");
  row.low = interval[0];
  row.high = interval[1];
}

void read_official(const JsonReader& reader, ScoreRow& row) {
  if (!reader.has("official")) return;
  constexpr std::size_t most_scores = 10;
  const JsonReader scores(reader.at("official"), reader.where() + ": official");
  if (scores.object().size() > most_scores)
    throw Error(fmt::format("{}: more than {} entries", scores.where(), most_scores));
  for (const auto& [name, value] : scores.object().items()) {
    row.official.push_back({.name = printable(name), .mean = {}, .spread = {}});
    if (value.is_null()) continue;
    const JsonReader score(value, scores.where() + ": " + printable(name));
    row.official.back().mean = score.number("mean");
    row.official.back().spread = optional_number(score, "spread");
  }
}

ScoreRow read_row(const JsonReader& reader) {
  ScoreRow row;
  row.task = text_at(reader, "task");
  row.method = row.label = text_at(reader, "method");
  row.metric = text_at(reader, "metric");
  read_setting(reader, row);
  if (reader.has("label")) row.label = text_at(reader, "label");
  read_pooled(reader, row);
  read_official(reader, row);
  row.learning_rate = optional_number(reader, "learning_rate");
  row.relative_gain = optional_number(reader, "relative_gain");
  row.mean = reader.number("mean");
  row.spread = reader.number("spread", 0.0);
  row.scores = numbers_at(reader, "scores");
  row.dev_scores = numbers_at(reader, "dev_scores");
  row.at_grid_edge = reader.boolean("at_grid_edge", false);
  row.links = numbers_at(reader, "links");
  row.tested_links = numbers_at(reader, "tested_links");
  row.hf_flos = reader.number("hf_flos", 0.0);
  row.hf_flos_saved = reader.number("hf_flos_saved", 0.0);
  row.real_flops = reader.number("real_flops", 0.0);
  if (reader.has("trials")) {
    for (const Json& trial : array_at(reader, "trials", most_trials))
      row.trials.push_back(trial_name(trial, reader.where()));
  }
  return row;
}

PairedTest read_test(const JsonReader& reader) {
  return {text_at(reader, "task"),
          text_at(reader, "a"),
          text_at(reader, "b"),
          text_at(reader, "test"),
          reader.number("p"),
          optional_integer(reader, "a_right_b_wrong"),
          optional_integer(reader, "b_right_a_wrong")};
}

}  // namespace

SweepReport read_sweep_report(const fs::path& folder) {
  const fs::path file = folder / sweep_results_name;
  const Json json = parse_json(read_text_file(file, largest_results), file.string());
  const JsonReader reader(json, file.string());
  SweepReport sweep;
  sweep.name = printable(reader.string("name", ""));
  sweep.model = printable(reader.string("model", ""));
  sweep.gain_over = printable(reader.string("gain_over", ""));
  sweep.seeds = array_at(reader, "seeds", most_trials).size();
  if (reader.has("missing")) sweep.missing = array_at(reader, "missing", 100 * most_rows).size();
  if (reader.has("diverged")) sweep.diverged = array_at(reader, "diverged", 100 * most_rows).size();
  for (const Json& row : array_at(reader, "rows", most_rows))
    sweep.rows.push_back(
        read_row(JsonReader(row, fmt::format("{}: rows[{}]", file.string(), sweep.rows.size()))));
  if (sweep.rows.empty()) throw Error(file.string() + ": no rows: no trial of the sweep has ended");
  if (reader.has("tests")) {
    for (const Json& test : array_at(reader, "tests", 10 * most_rows))
      sweep.tests.push_back(
          read_test(JsonReader(test, fmt::format("{}: tests[{}]", file.string(), sweep.tests.size()))));
  }
  return sweep;
}

}  // namespace cola
