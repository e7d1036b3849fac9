#include "sweep/sweep_folder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.h"
#include "io/files.h"
#include "sweep/plan_file.h"

namespace cola {
namespace {

/// Missing, or with no more in it than what a sweep's start leaves.
bool is_unused(const std::filesystem::path& folder) {
  std::error_code error;
  const std::filesystem::directory_iterator entries(folder, error);
  if (error) return true;  // where it cannot be looked at, writing says why
  return std::ranges::all_of(entries, [](const auto& entry) {
    const std::string name = entry.path().filename().string();
    return name == "running" || name.starts_with("plan.toml.tmp-") || name.starts_with("write-probe.tmp-");
  });
}

}  // namespace

void check_place(const SweepFolder& folder, const std::string& resolved) {
  if (!std::filesystem::exists(folder.plan())) {
    if (is_unused(folder.root)) return;
    throw UsageError(
        fmt::format("{} is not empty and no sweep's folder: choose another --out", folder.root.string()));
  }
  const auto keys = differing_plan_keys(read_text_file(folder.plan()), resolved);
  if (!keys.empty()) {
    throw UsageError(fmt::format("{} holds another plan, which differs in {}: choose another --out",
                                 folder.root.string(), fmt::join(keys, ", ")));
  }
}

void place_plan(const SweepFolder& folder, const std::string& resolved) {
  check_place(folder, resolved);
  if (std::filesystem::exists(folder.plan())) return;
  require_writable_folder(folder.root);
  write_text_file(folder.plan(), resolved);
}

}  // namespace cola
