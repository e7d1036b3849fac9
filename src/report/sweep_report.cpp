#include <fmt/format.h>

#include <set>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"
#include "report/report_data.h"
#include "report/report_text.h"

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

std::string text_at(const JsonReader& reader, const char* key) { return shown_text(reader.string(key)); }

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
  return shown_text(value.is_string() ? value.get<std::string>()
                                      : value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

/// " ranks 8,6" for {"ranks": "8,6"}, as labels have it.
std::string options_text(const JsonReader& reader, const char* key) {
  if (!reader.has(key)) return {};
  const JsonReader options(reader.at(key), fmt::format("{}: {}", reader.where(), key));
  std::string text;
  for (const auto& [option, value] : options.object().items())
    text += fmt::format(" {} {}", shown_text(option), value_text(value));
  return text;
}

void read_setting(const JsonReader& reader, ScoreRow& row) {
  static const std::set<std::string> of_the_chain = {"method", "links", "knots", "ranks", "alphas"};
  if (!reader.has("setting")) return;
  const JsonReader setting(reader.at("setting"), reader.where() + ": setting");
  for (const auto& [key, value] : setting.object().items()) {
    const std::string text = shown_text(key) + "=" + value_text(value);
    if (!of_the_chain.contains(key)) row.chain_series += (row.chain_series.empty() ? "" : ", ") + text;
  }
  row.label += options_text(reader, "setting");
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
    row.official.push_back({.name = shown_text(name), .mean = {}, .spread = {}});
    if (value.is_null()) continue;
    const JsonReader score(value, scores.where() + ": " + shown_text(name));
    row.official.back().mean = score.number("mean");
    row.official.back().spread = optional_number(score, "spread");
  }
}

void read_scores(const JsonReader& reader, ScoreRow& row) {
  row.metric = text_at(reader, "metric");
  read_pooled(reader, row);
  read_official(reader, row);
  row.chosen = options_text(reader, "chosen");
  row.learning_rate = optional_number(reader, "learning_rate");
  row.relative_gain = optional_number(reader, "relative_gain");
  row.gain_over = shown_text(reader.string("gain_over", ""));
  row.mean = reader.number("mean");
  row.spread = reader.number("spread", 0.0);
  row.questions = optional_integer(reader, "questions");
  row.scores = numbers_at(reader, "scores");
  row.dev_scores = numbers_at(reader, "dev_scores");
  row.at_grid_edge = reader.boolean("at_grid_edge", false);
  row.chosen_on_dev = reader.boolean("chosen_on_dev", false);
  row.provisional = reader.boolean("provisional", false);
  row.links = numbers_at(reader, "links");
  row.tested_links = numbers_at(reader, "tested_links");
  row.hf_flos = reader.number("hf_flos", 0.0);
  row.hf_flos_saved = reader.number("hf_flos_saved", 0.0);
  row.real_flops = reader.number("real_flops", 0.0);
  if (reader.has("trials")) {
    for (const Json& trial : array_at(reader, "trials", most_trials))
      row.trials.push_back(trial_name(trial, reader.where()));
  }
}

ScoreRow read_row(const JsonReader& reader) {
  ScoreRow row;
  row.task = text_at(reader, "task");
  row.method = row.label = text_at(reader, "method");
  read_setting(reader, row);
  if (reader.has("label")) row.label = text_at(reader, "label");
  row.tries = reader.integer("tries", 0);
  row.reason = shown_text(reader.string("reason", ""));
  if (row.scored()) read_scores(reader, row);
  return row;
}

PairedTest read_test(const JsonReader& reader) {
  PairedTest test;
  test.task = text_at(reader, "task");
  test.a = text_at(reader, "a");
  test.b = text_at(reader, "b");
  test.reason = shown_text(reader.string("reason", ""));
  if (!test.reason.empty()) return test;
  test.test = text_at(reader, "test");
  test.difference = optional_number(reader, "difference");
  const std::vector<double> interval = numbers_at(reader, "interval");
  if (interval.size() == 2) {
    test.low = interval[0];
    test.high = interval[1];
  } else if (!interval.empty()) {
    throw Error(reader.where() + ": 'interval' must hold two numbers");
  }
  test.smallest = optional_number(reader, "smallest_difference");
  test.questions = optional_integer(reader, "questions");
  test.seeds = optional_integer(reader, "seeds");
  // Files of before have the counts under the second names.
  test.a_higher = optional_integer(reader, reader.has("a_higher") ? "a_higher" : "a_right_b_wrong");
  test.b_higher = optional_integer(reader, reader.has("b_higher") ? "b_higher" : "b_right_a_wrong");
  test.p = reader.number("p");
  test.p_holm = optional_number(reader, "p_holm");
  test.p_seeds = optional_number(reader, "p_seeds");
  test.p_seeds_holm = optional_number(reader, "p_seeds_holm");
  return test;
}

RateRow read_rate(const JsonReader& reader) {
  return {.task = text_at(reader, "task"),
          .label = text_at(reader, "label"),
          .tuned = options_text(reader, "chosen_options"),
          .learning_rate = reader.number("learning_rate"),
          .seeds = reader.has("seeds") ? std::ssize(array_at(reader, "seeds", most_trials)) : 0,
          .dev_score = optional_number(reader, "dev_score"),
          .dev_loss = optional_number(reader, "dev_loss"),
          .mean = optional_number(reader, "mean"),
          .spread = optional_number(reader, "spread"),
          .chosen = reader.boolean("chosen", false),
          .diverged = reader.boolean("diverged", false)};
}

/// Entries of a list of objects, by a function that reads one.
template <class Read>
auto list_at(const JsonReader& reader, const char* key, std::size_t most, const Read& read) {
  std::vector<decltype(read(reader))> list;
  if (!reader.has(key)) return list;
  for (const Json& entry : array_at(reader, key, most))
    list.push_back(read(JsonReader(entry, fmt::format("{}: {}[{}]", reader.where(), key, list.size()))));
  return list;
}

std::vector<std::string> names_at(const JsonReader& reader, const char* key) {
  std::vector<std::string> names;
  if (!reader.has(key)) return names;
  for (const Json& name : array_at(reader, key, 100 * most_rows)) names.push_back(value_text(name));
  return names;
}

ReportedTrial read_note(const JsonReader& reader) {
  return {text_at(reader, "trial"), text_at(reader, "text")};
}

std::vector<MajorityRow> majority_at(const JsonReader& reader) {
  std::vector<MajorityRow> majority;
  if (!reader.has("majority")) return majority;
  const JsonReader scores(reader.at("majority"), reader.where() + ": majority");
  for (const auto& [task, score] : scores.object().items())
    if (score.is_number()) majority.push_back({shown_text(task), score.get<double>()});
  return majority;
}

}  // namespace

SweepReport read_sweep_report(const fs::path& folder) {
  const fs::path file = folder / sweep_results_name;
  const Json json = parse_json(read_text_file(file, largest_results), file.string());
  const JsonReader reader(json, file.string());
  SweepReport sweep;
  sweep.name = shown_text(reader.string("name", ""));
  sweep.model = shown_text(reader.string("model", ""));
  sweep.gain_over = shown_text(reader.string("gain_over", ""));
  sweep.seeds = array_at(reader, "seeds", most_trials).size();
  sweep.missing = names_at(reader, "missing");
  sweep.diverged = names_at(reader, "diverged");
  sweep.tells_failed = reader.has("failed");
  sweep.failed = list_at(reader, "failed", 100 * most_rows, read_note);
  sweep.warnings = list_at(reader, "warnings", 100 * most_rows, read_note);
  (void)array_at(reader, "rows", most_rows);  // must be there
  sweep.rows = list_at(reader, "rows", most_rows, read_row);
  if (sweep.rows.empty()) throw Error(file.string() + ": no rows: no trial of the sweep has ended");
  sweep.tests = list_at(reader, "tests", 10 * most_rows, read_test);
  sweep.rates = list_at(reader, "rates", 10 * most_rows, read_rate);
  sweep.majority = majority_at(reader);
  return sweep;
}

}  // namespace cola
