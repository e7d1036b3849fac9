#include "sweep/plan.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "sweep/plan_options.h"
#include "sweep/plan_sections.h"
#include "train/options_toml.h"
#include "train/run_plan.h"

namespace cola {
namespace {

constexpr std::size_t most_trials = 100000;
constexpr std::size_t longest_id = 200;  // file systems have names of 255 bytes, and files are named after it

/// Expands the grids of a plan's sections into trials.
class TrialList {
 public:
  TrialList(const PlanSections& sections, Problems& problems) : sections_(sections), problems_(problems) {}

  std::vector<SweepTrial> make() {
    for (const PlanTask& task : sections_.tasks) {
      for (const PlanMethod& method : sections_.methods) {
        if (method.known) add_trials(task, method);
      }
    }
    refuse_duplicates();
    check_choose();
    return std::move(trials_);
  }

 private:
  /// [train], then the task's own, then the method's.
  [[nodiscard]] toml::table options_of(const PlanTask& task, const PlanMethod& method) const {
    toml::table options;
    const std::array<const toml::table*, 3> layers{&sections_.train, &task.options, &method.options};
    for (const toml::table* layer : layers) {
      for (const auto& [key, node] : *layer) {
        if (method.trains || is_evaluation_option(key.str())) options.insert_or_assign(key, node);
      }
    }
    return options;
  }

  void add_trials(const PlanTask& task, const PlanMethod& method) {
    OptionGrid grid = split_grid(options_of(task, method), method.where, problems_);
    SweepTrial trial;
    trial.task = task.name;
    trial.method = method.name;
    trial.trains = method.trains;
    trial.demonstrations = method.demonstrations;
    trial.num_test = sections_.num_test;
    trial.options.model = sections_.model;
    trial.options.task = task.reference;
    trial.options.task_data = sections_.data / task.folder;
    trial.options.threads = sections_.threads;
    if (method.trains) trial.options.method = method.method;
    set_options(grid.fixed, method.where, trial.options, problems_);
    for (const char* key : {"seed", "data-seed"}) {
      const bool varied = sections_.vary == "both" || sections_.vary == key;
      if (varied && grid.fixed.contains(key))
        problems_.add(fmt::format("{}: '{}' is set, but 'seeds' varies it", method.where, key));
    }
    for (const GridAxis& axis : grid.axes) {
      if (axis.option == "seed" || axis.option == "data-seed")
        problems_.add(
            fmt::format("{}: '{}' cannot be a grid: use the plan's 'seeds'", method.where, axis.option));
    }
    // What is chosen among stands together, rates last.
    std::ranges::stable_partition(grid.axes, [&](const GridAxis& axis) {
      return axis.option != "learning-rate" && !is_tuned(axis.option, trial);
    });
    std::ranges::stable_partition(grid.axes,
                                  [](const GridAxis& axis) { return axis.option != "learning-rate"; });
    add_grid(trial, grid.axes, 0, method.where);
  }

  /// Whether the option is chosen on dev; nothing is without training.
  [[nodiscard]] bool is_tuned(const std::string& option, const SweepTrial& trial) const {
    return trial.trains && std::ranges::find(sections_.choose, option) != sections_.choose.end();
  }

  /// 'choose' names options that some trial takes from a grid.
  void check_choose() {
    for (const std::string& option : sections_.choose) {
      const bool varies = std::ranges::any_of(trials_, [&](const SweepTrial& trial) {
        return std::ranges::find(trial.tuned, option, &SweepSetting::value_type::first) != trial.tuned.end();
      });
      if (!varies)
        problems_.add(fmt::format("'choose' has '{}', of which no method that trains has a list", option));
    }
  }

  // One level an axis: at most as deep as there are options.
  // NOLINTNEXTLINE(misc-no-recursion)
  void add_grid(const SweepTrial& trial, const std::vector<GridAxis>& axes, std::size_t axis,
                const std::string& where) {
    if (trials_.size() > most_trials) return;
    if (axis == axes.size()) {
      add_seeds(trial, where);
      return;
    }
    for (std::size_t i = 0; i < axes[axis].values.size(); ++i) {
      SweepTrial next = trial;
      set_options(axes[axis].values[i], where, next.options, problems_);
      if (axes[axis].option != "learning-rate") {
        SweepSetting& place = is_tuned(axes[axis].option, trial) ? next.tuned : next.setting;
        place.emplace_back(axes[axis].option, axes[axis].texts[i]);
      }
      add_grid(next, axes, axis + 1, where);
    }
  }

  void add_seeds(SweepTrial trial, const std::string& where) {
    std::string base = fmt::format("{}-{}", trial.task, trial.method);
    for (const SweepSetting* part : {&trial.setting, &trial.tuned}) {
      for (const auto& [option, value] : *part) base += fmt::format("-{}", folder_text(option + value));
    }
    if (trial.trains) {
      const double fallback = trial.options.method == "full" ? 1e-5 : 1e-4;  // cola train's
      trial.learning_rate = trial.options.learning_rate.value_or(fallback);
      trial.options.learning_rate = trial.learning_rate;
      base += fmt::format("-lr{}", rate_text(*trial.learning_rate));
      try {
        TrainOptions placed = trial.options;
        placed.out = base;
        if (placed.model.empty()) placed.model = base;  // told by read_plan_sections
        check_options(placed);
      } catch (const UsageError& error) {
        problems_.add(fmt::format("{}: {}", where, error.what()));
      }
    }
    const std::uint64_t fixed_split = trial.options.data_seed.value_or(trial.options.seed);
    for (const std::uint64_t seed : sections_.seeds) {
      if (trials_.size() > most_trials) {
        problems_.add(fmt::format("there are more than {} trials", most_trials));
        return;
      }
      trial.seed = seed;
      if (trial.trains && sections_.vary != "data-seed") trial.options.seed = seed;
      trial.options.data_seed = sections_.vary == "seed" ? fixed_split : seed;
      trial.id = fmt::format("{}-seed{}", base, seed);
      if (trial.id.size() > longest_id) {
        problems_.add(
            fmt::format("{}: the trial's name is longer than {} characters: {}: give task and "
                        "method shorter names",
                        where, longest_id, trial.id));
      }
      trials_.push_back(trial);
      if (!trial.trains) return;  // nothing is drawn but the split: the first seed's
    }
  }

  void refuse_duplicates() {
    std::map<std::string, const SweepTrial*> by_options, by_id;
    for (const SweepTrial& trial : trials_) {
      const auto key = fmt::format("{} {}\n{}", trial.trains, trial.demonstrations, to_toml(trial.options));
      const auto [same, fresh] = by_options.emplace(key, &trial);
      const auto [twin, fresh_id] = by_id.emplace(trial.id, &trial);
      if (fresh && fresh_id) continue;
      const SweepTrial& other = fresh ? *twin->second : *same->second;
      problems_.add(other.method == trial.method
                        ? fmt::format("method '{}' has the same trial twice: {}", trial.method, trial.id)
                        : fmt::format("methods '{}' and '{}' have the same trial: {}", other.method,
                                      trial.method, trial.id));
    }
  }

  const PlanSections& sections_;
  Problems& problems_;
  std::vector<SweepTrial> trials_;
};

}  // namespace

std::string rate_text(double rate) {
  std::array<char, 64> buffer{};
  const auto written =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), rate, std::chars_format::scientific);
  std::string text(buffer.data(), written.ptr);
  const std::size_t exponent = text.find('e');
  if (exponent == std::string::npos) return text;  // not finite
  const bool negative = text[exponent + 1] == '-';
  std::string digits = text.substr(exponent + 2);
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  text.resize(exponent);
  return digits == "0" ? text : fmt::format("{}e{}{}", text, negative ? "-" : "", digits);
}

SweepPlan expand_plan(const std::string& resolved, Problems& problems) {
  PlanSections sections = read_plan_sections(resolved, problems);
  SweepPlan plan;
  plan.name = sections.name;
  plan.model = sections.model;
  plan.data = sections.data;
  for (const PlanTask& task : sections.tasks) plan.tasks.push_back(task.name);
  for (const PlanMethod& method : sections.methods) plan.methods.push_back(method.name);
  plan.seeds = sections.seeds;
  plan.threads = sections.threads;
  plan.gain_over = sections.gain_over;
  // So that methods are checked also where no task or no seed is right: the plan is refused for that anyway.
  if (sections.tasks.empty()) sections.tasks.push_back({"", "(none)", "", {}});
  if (sections.seeds.empty()) sections.seeds.push_back(0);
  plan.trials = TrialList(sections, problems).make();
  plan.text = resolved;
  return plan;
}

}  // namespace cola
