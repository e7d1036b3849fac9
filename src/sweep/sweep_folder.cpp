#include "sweep/sweep_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

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

FileDescriptor lock_file(const std::filesystem::path& file, const std::string& refusal, int patience) {
  require_writable_folder(file.parent_path());
  FileDescriptor descriptor = open_file(file, O_RDWR | O_CREAT);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(patience);
  while (::flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      throw Error(fmt::format("{}: cannot be locked: {}", file.string(), std::strerror(errno)));
    if (std::chrono::steady_clock::now() >= end) throw Error(refusal);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return descriptor;
}

void place_plan(const SweepFolder& folder, const std::string& resolved) {
  if (!std::filesystem::exists(folder.plan())) {
    if (!is_unused(folder.root)) {
      throw UsageError(
          fmt::format("{} is not empty and no sweep's folder: choose another --out", folder.root.string()));
    }
    require_writable_folder(folder.root);
    write_text_file(folder.plan(), resolved);
    return;
  }
  const auto keys = differing_plan_keys(read_text_file(folder.plan()), resolved);
  if (!keys.empty()) {
    throw UsageError(fmt::format("{} holds another plan, which differs in {}: choose another --out",
                                 folder.root.string(), fmt::join(keys, ", ")));
  }
}

}  // namespace cola
