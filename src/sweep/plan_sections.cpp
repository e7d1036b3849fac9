#include "sweep/plan_sections.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <limits>

#include "core/error.h"
#include "io/printable.h"
#include "sweep/plan_options.h"
#include "tasks/task.h"
#include "train/run_plan.h"

namespace cola {
namespace {

constexpr std::size_t most_seeds = 10000;
constexpr std::int64_t paper_demonstrations = 32;
constexpr std::array<std::string_view, 13> plan_keys{"name",  "model",   "data",      "tasks",    "seeds",
                                                     "vary",  "threads", "gain-over", "num-test", "choose",
                                                     "train", "method",  "task"};
constexpr std::array<std::string_view, 8> evaluation_options{
    "num-train", "num-dev",   "bos-token-id", "no-share-prefix", "max-length",
    "dtype",     "tokenizer", "data-seed"};  // which examples are tested, and which are demonstrations

bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9') || letter == '-' || letter == '_' || letter == '.' ||
           letter == '+';
  });
}

/// Reads one plan; what is wrong goes to `problems`.
class SectionReader {
 public:
  SectionReader(const std::string& text, Problems& problems)
      : problems_(problems), table_(toml::parse(text)) {}

  PlanSections read() {
    read_top();
    read_tasks();
    read_methods();
    return std::move(sections_);
  }

 private:
  /// `where` begins the problem: "", or "method 'NAME': ".
  std::string text(const toml::table& table, const char* key, const std::string& fallback,
                   const std::string& where = "") {
    const toml::node* node = table.get(key);
    if (node == nullptr) return fallback;
    const auto* value = node->as_string();
    if (value != nullptr && !value->get().empty()) return value->get();
    problems_.add(fmt::format("{}'{}' must be a text that is not empty", where, key));
    return fallback;
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
    sections_.name = text(table_, "name", "sweep");
    if (!is_plain_name(sections_.name)) problems_.add("'name' must be of letters, digits and .+-_");
    sections_.model = text(table_, "model", "");
    sections_.data = text(table_, "data", "");
    if (sections_.model.empty()) problems_.add("'model' is missing: a Hugging Face folder (--set model=DIR)");
    sections_.threads = static_cast<int>(number("threads", 1, 4096).value_or(1));
    sections_.num_test = number("num-test", 1, std::numeric_limits<std::int32_t>::max());
    sections_.gain_over = text(table_, "gain-over", "");
    sections_.vary = text(table_, "vary", "data-seed");
    if (sections_.vary != "data-seed" && sections_.vary != "seed" && sections_.vary != "both")
      problems_.add(fmt::format("'vary' is '{}': use data-seed, seed or both", printable(sections_.vary)));
    read_seeds();
    read_choose();
    sections_.train = section("train");
    check_option_names(sections_.train, "[train]", problems_);
  }

  void read_seeds() {
    const toml::array* seeds = table_["seeds"].as_array();
    if (seeds == nullptr || seeds->empty()) {
      problems_.add("'seeds' must be a list of numbers with at least one");
      return;
    }
    if (seeds->size() > most_seeds) {
      problems_.add(fmt::format("'seeds' has more than {} numbers", most_seeds));
      return;
    }
    for (const toml::node& node : *seeds) {
      const auto seed = node.value_exact<std::int64_t>();
      if (!seed || *seed < 0 || *seed > std::numeric_limits<std::uint32_t>::max()) {
        problems_.add("'seeds' must be numbers from 0 to 2^32 - 1");
        return;
      }
      const auto value = static_cast<std::uint64_t>(*seed);
      if (std::ranges::find(sections_.seeds, value) != sections_.seeds.end())
        problems_.add(fmt::format("'seeds' has {} twice", value));
      sections_.seeds.push_back(value);
    }
  }

  void read_choose() {
    const toml::node* node = table_.get("choose");
    if (node == nullptr) return;
    const toml::array* options = node->as_array();
    for (std::size_t i = 0; options != nullptr && i < options->size(); ++i) {
      const auto option = (*options)[i].value_exact<std::string>();
      if (!option || !is_plan_option(*option) || *option == "learning-rate") {
        problems_.add(
            "'choose' must be a list of options of cola train; the learning rate is always chosen on dev");
        return;
      }
      sections_.choose.push_back(*option);
    }
    if (options == nullptr) problems_.add("'choose' must be a list of names of options");
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
      const auto task = std::ranges::find(sections_.tasks, key.str(), &PlanTask::name);
      const std::string where = fmt::format("[task.{}]", printable(key.str()));
      if (!node.is_table()) {
        problems_.add(where + " must be a section");
      } else {
        check_option_names(*node.as_table(), where, problems_);
        if (task == sections_.tasks.end()) {
          problems_.add(where + ": the plan's 'tasks' have no such task");
        } else {
          task->options = *node.as_table();
        }
      }
    }
  }

  void add_task(PlanTask task) {
    if (std::ranges::find(sections_.tasks, task.name, &PlanTask::name) != sections_.tasks.end()) {
      problems_.add(fmt::format("'tasks' has {} twice", task.name));
      return;
    }
    if (task.folder.is_relative() && sections_.data.empty())
      problems_.add("'data' is missing: the folder that the tasks' folders lie in (--set data=DIR)");
    sections_.tasks.push_back(std::move(task));
  }

  void read_methods() {
    const toml::array* methods = table_["method"].as_array();
    if (methods == nullptr || methods->empty() || !methods->is_array_of_tables()) {
      problems_.add("there is no method: write at least one section [[method]]");
      return;
    }
    for (const toml::node& node : *methods) read_method(*node.as_table());
    if (sections_.gain_over.empty()) return;
    std::vector<std::string> names;
    for (const PlanMethod& method : sections_.methods) names.push_back(method.name);
    if (std::ranges::find(names, sections_.gain_over) == names.end())
      problems_.add(fmt::format("'gain-over' is '{}', which is none of the plan's methods: {}",
                                printable(sections_.gain_over), fmt::join(names, ", ")));
  }

  void read_method(const toml::table& table) {
    PlanMethod entry;
    const std::string where = fmt::format("[[method]] {}: ", sections_.methods.size() + 1);
    entry.method = text(table, "method", "cola", where);
    entry.name = text(table, "name", entry.method, where);
    entry.where = fmt::format("method '{}'", printable(entry.name));
    entry.trains = entry.method != "zero-shot" && entry.method != "icl";
    if (!is_plain_name(entry.name)) problems_.add(entry.where + ": a name is of letters, digits and .+-_");
    if (std::ranges::find(sections_.methods, entry.name, &PlanMethod::name) != sections_.methods.end())
      problems_.add(entry.where + " is there twice: give each [[method]] a name of its own");
    for (const auto& [key, node] : table) {
      if (key != "name" && key != "method" && key != "demonstrations") entry.options.insert(key, node);
    }
    check_option_names(entry.options, entry.where, problems_);
    if (entry.trains) {
      try {
        (void)parse_method(entry.method);
      } catch (const UsageError&) {
        entry.known = false;
        problems_.add(fmt::format("{}: unknown method '{}': use lora, cola, full, zero-shot or icl",
                                  entry.where, printable(entry.method)));
      }
    } else {
      for (const auto& [key, node] : entry.options) {
        if (!is_evaluation_option(key.str()))
          problems_.add(fmt::format("{}: '{}' means nothing without training", entry.where, key.str()));
      }
    }
    read_demonstrations(table, entry);
    sections_.methods.push_back(std::move(entry));
  }

  void read_demonstrations(const toml::table& table, PlanMethod& entry) {
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

  Problems& problems_;
  toml::table table_;
  toml::table nothing_;
  PlanSections sections_;
};

}  // namespace

PlanSections read_plan_sections(const std::string& resolved, Problems& problems) {
  return SectionReader(resolved, problems).read();
}

bool is_evaluation_option(std::string_view name) {
  return std::ranges::find(evaluation_options, name) != evaluation_options.end();
}

std::string folder_text(std::string text) {
  for (char& letter : text) {
    if (letter != ',' && !is_plain_name({&letter, 1})) letter = '-';
  }
  return text;
}

}  // namespace cola
