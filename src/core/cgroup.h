#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>

namespace cola {

/// The least room under the memory limits of the process's cgroup (version 2 or 1) and those above it; none
/// where nothing limits. `membership` is /proc/self/cgroup, `mount` /sys/fs/cgroup.
[[nodiscard]] std::optional<std::int64_t> cgroup_room(const std::filesystem::path& membership,
                                                      const std::filesystem::path& mount);

}  // namespace cola
