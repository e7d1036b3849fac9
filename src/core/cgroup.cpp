#include "core/cgroup.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <string>
#include <utility>

namespace cola {
namespace {

/// Bytes of a cgroup's page cache, which the kernel gives back under pressure (a mapped checkpoint is there).
std::int64_t cgroup_page_cache(const std::filesystem::path& group) {
  std::ifstream file(group / "memory.stat");
  std::int64_t total = 0;
  std::int64_t value = 0;
  for (std::string key; file >> key >> value;) {
    if (key == "active_file" || key == "inactive_file") total += value;
  }
  return total;
}

/// The number in a cgroup file; -1 if it is absent or says "max".
std::int64_t cgroup_number(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::int64_t value = -1;
  return file >> value ? value : -1;
}

/// Room under the limit of one cgroup.
std::optional<std::int64_t> room_of(const std::filesystem::path& group) {
  constexpr std::array names{std::pair{"memory.max", "memory.current"},  // version 2, then 1
                             std::pair{"memory.limit_in_bytes", "memory.usage_in_bytes"}};
  for (const auto& [limit_name, used_name] : names) {
    const std::int64_t limit = cgroup_number(group / limit_name);
    const std::int64_t used = cgroup_number(group / used_name);
    if (limit >= 0 && used >= 0)
      return std::clamp<std::int64_t>(limit - used + cgroup_page_cache(group), 0, limit);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::int64_t> cgroup_room(const std::filesystem::path& membership,
                                        const std::filesystem::path& mount) {
  std::optional<std::int64_t> least;
  std::ifstream file(membership);
  for (std::string line; std::getline(file, line);) {  // "0::/user/job" or "4:memory:/user/job"
    const auto controllers = line.find(':') + 1;
    const auto path = line.find(':', controllers) + 1;
    const bool version_2 = path == controllers + 1;
    if (path == 0 ||
        (!version_2 && line.substr(controllers, path - controllers).find("memory") == std::string::npos))
      continue;
    const auto root = version_2 ? mount : mount / "memory";
    auto relative = std::filesystem::path(line.substr(path)).relative_path();
    while (true) {
      if (const auto room = room_of(root / relative)) least = std::min(least.value_or(*room), *room);
      if (relative.empty()) break;
      relative = relative.parent_path();
    }
  }
  return least;
}

}  // namespace cola
