#include "sweep/plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <map>

#include "io/printable.h"
#include "sweep/plan_options.h"
#include "tasks/task.h"
#include "train/options_toml.h"
#include "train/run_plan.h"

namespace cola {
namespace {

constexpr std::size_t most_trials = 100000;
constexpr std::int64_t paper_demonstrations = 32;
constexpr std::array<std::string_view, 12> plan_keys{"name",     "model", "data",    "tasks",
                                                     "seeds",    "vary",  "threads", "gain-over",
                                                     "num-test", "train", "method",  "task"};
/// Options that mean something without training.
constexpr std::array<std::string_view, 7> evaluation_options{
    "num-train", "num-dev", "bos-token-id", "no-share-prefix", "max-length", "dtype", "tokenizer"};

bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9') || letter == '-' || letter == '_' || letter == '.' ||
           letter == '+';
  });
}

std::string folder_text(std::string text) {
  for (char& letter : text) {
    if (letter != ',' && !is_plain_name({&letter, 1})) letter = '-';
  }
  return text;
}

/// A [[method]] of the plan.
struct MethodEntry {
  std::string name, method, where;
  bool trains = true;
  std::int64_t demonstrations = 0;
  toml::table options;
};

struct TaskEntry {
  std::string name;       ///< what tables call it
  std::string reference;  ///< for find_task
  std::filesystem::path folder;
  toml::table options;
};

/// Reads one plan; what is wrong goes to `problems`.
class PlanReader {
 public:
  PlanReader(const std::string& text, Problems& problems) : problems_(problems), table_(toml::parse(text)) {
    plan_.text = text;
  }

  SweepPlan read() {
    read_top();
    read_tasks();
    read_methods();
    if (problems_.list().empty()) {
      for (const TaskEntry& task : tasks_) {
        for (const MethodEntry& method : methods_) add_trials(task, method);
      }
      refuse_duplicates();
    }
    return std::move(plan_);
  }

 private:
  std::string text(const char* key, const std::string& fallback) {
    const toml::node* node = table_.get(key);
    if (node == nullptr) return fallback;
    if (!node->is_string() || node->as_string()->get().empty())
      problems_.add(fmt::format("'{}' must be a text that is not empty", key));
    return node->value_or(fallback);
  }

  std::optional<std::int64_t> number(const char* key, std::int64_t least, std::int64_t most) {
    const toml::node* node = table_.get(key);
    if (node == nullptr) return std::nullopt;
    const auto value = node->value_exact<std::int64_t>();
    if (!value || *value < least || *value > most) {
      problems_.add(fmt::format("'{}' must be a number from {} to {}", key, least, most));
      return std::nullopt;
    }
    return value;
  }

  const toml::table& section(const char* key) {
    const toml::node* node = table_.get(key);
    if (node == nullptr) return nothing_;
    if (node->is_table()) return *node->as_table();
    problems_.add(fmt::format("'{}' must be a section [{}]", key, key));
    return nothing_;
  }

  void read_top() {
    for (const auto& [key, node] : table_) {
      if (std::ranges::find(plan_keys, key.str()) == plan_keys.end())
        problems_.add(
            fmt::format("unknown key '{}': a plan has {}", printable(key.str()), fmt::join(plan_keys, ", ")));
    }
    plan_.name = text("name", "sweep");
    if (!is_plain_name(plan_.name)) problems_.add("'name' must be of letters, digits and .+-_");
    plan_.model = text("model", "");
    plan_.data = text("data", "");
    if (plan_.model.empty()) problems_.add("'model' is missing: a Hugging Face folder (--set model=DIR)");
    plan_.threads = static_cast<int>(number("threads", 1, 4096).value_or(1));
    num_test_ = number("num-test", 1, std::numeric_limits<std::int32_t>::max());
    plan_.gain_over = text("gain-over", "");
    vary_ = text("vary", "data-seed");
    if (vary_ != "data-seed" && vary_ != "seed" && vary_ != "both")
      problems_.add(fmt::format("'vary' is '{}': use data-seed, seed or both", printable(vary_)));
    read_seeds();
    check_option_names(section("train"), "[train]", problems_);
  }

  void read_seeds() {
    const toml::array* seeds = table_["seeds"].as_array();
    if (seeds == nullptr || seeds->empty()) {
      problems_.add("'seeds' must be a list of numbers with at least one");
      return;
    }
    for (const toml::node& node : *seeds) {
      const auto seed = node.value_exact<std::int64_t>();
      if (!seed || *seed < 0 || *seed > std::numeric_limits<std::uint32_t>::max()) {
        problems_.add("'seeds' must be numbers from 0 to 2^32 - 1");
        return;
      }
      const auto value = static_cast<std::uint64_t>(*seed);
      if (std::ranges::find(plan_.seeds, value) != plan_.seeds.end())
        problems_.add(fmt::format("'seeds' has {} twice", value));
      plan_.seeds.push_back(value);
    }
  }

  void read_tasks() {
    const toml::array* tasks = table_["tasks"].as_array();
    if (tasks == nullptr || tasks->empty())
      problems_.add("'tasks' must be a list of names with at least one");
    for (std::size_t i = 0; tasks != nullptr && i < tasks->size(); ++i) {
      const auto reference = (*tasks)[i].value_exact<std::string>();
      if (!reference) {
        problems_.add("'tasks' must be a list of names");
        continue;
      }
      try {
        const Task task = find_task(*reference);
        add_task({folder_text(task.name), *reference, task.folder, {}});
      } catch (const Error& error) {
        problems_.add(error.what());
      }
    }
    for (const auto& [key, node] : section("task")) {
      const auto task = std::ranges::find(tasks_, std::string(key.str()), &TaskEntry::name);
      const std::string where = fmt::format("[task.{}]", printable(key.str()));
      if (!node.is_table()) {
        problems_.add(where + " must be a section");
      } else {
        check_option_names(*node.as_table(), where, problems_);
        if (task == tasks_.end()) {
          problems_.add(where + ": the plan's 'tasks' have no such task");
        } else {
          task->options = *node.as_table();
        }
      }
    }
  }

  void add_task(TaskEntry task) {
    if (std::ranges::find(plan_.tasks, task.name) != plan_.tasks.end()) {
      problems_.add(fmt::format("'tasks' has {} twice", task.name));
      return;
    }
    if (task.folder.is_relative() && plan_.data.empty())
      problems_.add("'data' is missing: the folder that the tasks' folders lie in (--set data=DIR)");
    plan_.tasks.push_back(task.name);
    tasks_.push_back(std::move(task));
  }

  void read_methods() {
    const toml::array* methods = table_["method"].as_array();
    if (methods == nullptr || methods->empty() || !methods->is_array_of_tables()) {
      problems_.add("there is no method: write at least one section [[method]]");
      return;
    }
    for (const toml::node& node : *methods) read_method(*node.as_table());
    if (plan_.gain_over.empty()) return;
    if (std::ranges::find(plan_.methods, plan_.gain_over) == plan_.methods.end())
      problems_.add(fmt::format("'gain-over' is '{}', which is none of the plan's methods: {}",
                                printable(plan_.gain_over), fmt::join(plan_.methods, ", ")));
  }

  void read_method(const toml::table& table) {
    MethodEntry entry;
    entry.method = table["method"].value_or(std::string("cola"));
    entry.name = table["name"].value_or(entry.method);
    entry.where = fmt::format("method '{}'", printable(entry.name));
    entry.trains = entry.method != "zero-shot" && entry.method != "icl";
    if (!is_plain_name(entry.name)) problems_.add(entry.where + ": a name is of letters, digits and .+-_");
    if (std::ranges::find(plan_.methods, entry.name) != plan_.methods.end())
      problems_.add(entry.where + " is there twice: give each [[method]] a name of its own");
    for (const auto& [key, node] : table) {
      if (key != "name" && key != "method" && key != "demonstrations") entry.options.insert(key, node);
    }
    check_option_names(entry.options, entry.where, problems_);
    if (entry.trains) {
      try {
        (void)parse_method(entry.method);
      } catch (const UsageError&) {
        problems_.add(fmt::format("{}: unknown method '{}': use lora, cola, full, zero-shot or icl",
                                  entry.where, printable(entry.method)));
      }
    } else {
      for (const auto& [key, node] : entry.options) {
        if (std::ranges::find(evaluation_options, key.str()) == evaluation_options.end())
          problems_.add(fmt::format("{}: '{}' means nothing without training", entry.where, key.str()));
      }
    }
    read_demonstrations(table, entry);
    plan_.methods.push_back(entry.name);
    methods_.push_back(std::move(entry));
  }

  void read_demonstrations(const toml::table& table, MethodEntry& entry) {
    if (entry.method == "icl") entry.demonstrations = paper_demonstrations;
    const toml::node* node = table.get("demonstrations");
    if (node == nullptr) return;
    const auto count = node->value_exact<std::int64_t>();
    if (entry.method != "icl") {
      problems_.add(entry.where + ": 'demonstrations' belongs to the method icl");
    } else if (!count || *count < 1 || *count > 1000000) {
      problems_.add(entry.where + ": 'demonstrations' must be a number from 1 to 1000000");
    } else {
      entry.demonstrations = *count;
    }
  }

  /// [train], then the task's own, then the method's.
  toml::table options_of(const TaskEntry& task, const MethodEntry& method) {
    toml::table options;
    const std::array<const toml::table*, 3> layers{&section("train"), &task.options, &method.options};
    for (const toml::table* layer : layers) {
      for (const auto& [key, node] : *layer) {
        if (method.trains || std::ranges::find(evaluation_options, key.str()) != evaluation_options.end())
          options.insert_or_assign(key, node);
      }
    }
    return options;
  }

  void add_trials(const TaskEntry& task, const MethodEntry& method) {
    OptionGrid grid = split_grid(options_of(task, method), method.where, problems_);
    SweepTrial trial;
    trial.task = task.name;
    trial.method = method.name;
    trial.trains = method.trains;
    trial.demonstrations = method.demonstrations;
    trial.num_test = num_test_;
    trial.options.model = plan_.model;
    trial.options.task = task.reference;
    trial.options.task_data = plan_.data / task.folder;
    trial.options.threads = plan_.threads;
    if (method.trains) trial.options.method = method.method;
    set_options(grid.fixed, method.where, trial.options, problems_);
    for (const char* key : {"seed", "data-seed"}) {
      const bool varied = vary_ == "both" || vary_ == key;
      if (varied && (grid.fixed.contains(key)))
        problems_.add(fmt::format("{}: '{}' is set, but 'seeds' varies it", method.where, key));
    }
    for (const GridAxis& axis : grid.axes) {
      if (axis.option == "seed" || axis.option == "data-seed")
        problems_.add(
            fmt::format("{}: '{}' cannot be a grid: use the plan's 'seeds'", method.where, axis.option));
    }
    // Rates that are chosen among stand together.
    std::ranges::stable_partition(grid.axes,
                                  [](const GridAxis& axis) { return axis.option != "learning-rate"; });
    add_grid(trial, grid.axes, 0, method.where);
  }

  // One level an axis: at most as deep as there are options.
  // NOLINTNEXTLINE(misc-no-recursion)
  void add_grid(const SweepTrial& trial, const std::vector<GridAxis>& axes, std::size_t axis,
                const std::string& where) {
    if (plan_.trials.size() > most_trials) return;
    if (axis == axes.size()) {
      add_seeds(trial, where);
      return;
    }
    for (std::size_t i = 0; i < axes[axis].values.size(); ++i) {
      SweepTrial next = trial;
      set_options(axes[axis].values[i], where, next.options, problems_);
      if (axes[axis].option != "learning-rate")
        next.setting.emplace_back(axes[axis].option, axes[axis].texts[i]);
      add_grid(next, axes, axis + 1, where);
    }
  }

  void add_seeds(SweepTrial trial, const std::string& where) {
    std::string base = fmt::format("{}-{}", trial.task, trial.method);
    for (const auto& [option, value] : trial.setting) base += fmt::format("-{}", folder_text(option + value));
    if (trial.trains) {
      const double fallback = trial.options.method == "full" ? 1e-5 : 1e-4;  // cola train's
      trial.learning_rate = trial.options.learning_rate.value_or(fallback);
      trial.options.learning_rate = trial.learning_rate;
      base += fmt::format("-lr{}", rate_text(*trial.learning_rate));
      try {
        TrainOptions placed = trial.options;
        placed.out = base;
        check_options(placed);
      } catch (const UsageError& error) {
        problems_.add(fmt::format("{}: {}", where, error.what()));
      }
    }
    const std::uint64_t fixed_split = trial.options.data_seed.value_or(trial.options.seed);
    for (const std::uint64_t seed : plan_.seeds) {
      if (plan_.trials.size() > most_trials) {
        problems_.add(fmt::format("there are more than {} trials", most_trials));
        return;
      }
      trial.seed = seed;
      if (trial.trains && vary_ != "data-seed") trial.options.seed = seed;
      trial.options.data_seed = vary_ == "seed" ? fixed_split : seed;
      trial.id = fmt::format("{}-seed{}", base, seed);
      plan_.trials.push_back(trial);
      if (!trial.trains) return;  // nothing is drawn but the split: the first seed's
    }
  }

  void refuse_duplicates() {
    std::map<std::string, const SweepTrial*> by_options, by_id;
    for (const SweepTrial& trial : plan_.trials) {
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

  Problems& problems_;
  toml::table table_;
  toml::table nothing_;
  SweepPlan plan_;
  std::string vary_;
  std::optional<std::int64_t> num_test_;
  std::vector<TaskEntry> tasks_;
  std::vector<MethodEntry> methods_;
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
  return PlanReader(resolved, problems).read();
}

}  // namespace cola
