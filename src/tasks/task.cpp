#include "tasks/task.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/error.h"
#include "io/printable.h"
#include "tasks/builtin_tasks.h"
#include "tasks/user_task.h"

namespace cola {
namespace {

using MakeTask = Task (*)();
constexpr std::array<std::pair<const char*, MakeTask>, 11> builtin_tasks{{{"sst2", sst2_task},
                                                                          {"rte", rte_task},
                                                                          {"cb", cb_task},
                                                                          {"boolq", boolq_task},
                                                                          {"wsc", wsc_task},
                                                                          {"wic", wic_task},
                                                                          {"multirc", multirc_task},
                                                                          {"copa", copa_task},
                                                                          {"record", record_task},
                                                                          {"squad", squad_task},
                                                                          {"drop", drop_task}}};

}  // namespace

const std::vector<std::string>& task_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const auto& [name, make] : builtin_tasks) result.emplace_back(name);
    return result;
  }();
  return names;
}

Task find_task(const std::string& name_or_toml_file) {
  for (const auto& [name, make] : builtin_tasks) {
    if (name_or_toml_file == name) return make();
  }
  std::error_code ignored;
  if (name_or_toml_file.ends_with(".toml") || std::filesystem::is_regular_file(name_or_toml_file, ignored)) {
    return read_user_task(name_or_toml_file);
  }
  throw UsageError(fmt::format("unknown task '{}': one of {}, or a TOML file of your own",
                               printable(name_or_toml_file), fmt::join(task_names(), ", ")));
}

std::filesystem::path default_folder(const std::string& name) { return find_task(name).folder; }

}  // namespace cola
