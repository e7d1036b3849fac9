#include "core/system_memory.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <utility>

#include "core/cgroup.h"
#include "core/error.h"

namespace cola {
namespace {

/// The value of a line "Key:   1234 kB" of a /proc file, in bytes; -1 if the key is absent.
std::int64_t proc_kilobytes(const char* path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(key + ":", 0) == 0) return std::stoll(line.substr(key.size() + 1)) * 1024;
  }
  return -1;
}

/// What is left of the address space under ulimit -v.
std::optional<std::int64_t> address_space_room() {
  rlimit limit{};
  const std::int64_t used = proc_kilobytes("/proc/self/status", "VmSize");
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || used < 0) return std::nullopt;
  return std::max<std::int64_t>(0, static_cast<std::int64_t>(limit.rlim_cur) - used);
}

}  // namespace

std::int64_t peak_resident_bytes() {
  return std::max<std::int64_t>(0, proc_kilobytes("/proc/self/status", "VmHWM"));
}

std::int64_t resident_bytes() {
  return std::max<std::int64_t>(0, proc_kilobytes("/proc/self/status", "VmRSS"));
}

std::int64_t available_memory_bytes() {
  std::int64_t available = proc_kilobytes("/proc/meminfo", "MemAvailable");
  if (available < 0) available = std::numeric_limits<std::int64_t>::max();  // no /proc: nothing known
  for (const auto& room : {cgroup_room("/proc/self/cgroup", "/sys/fs/cgroup"), address_space_room()})
    available = std::min(available, room.value_or(available));
  return available;
}

std::string format_bytes(std::int64_t bytes) {
  constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024.0 && unit + 1 < units.size()) {
    value /= 1024.0;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

std::int64_t parse_bytes(const std::string& text) {
  constexpr std::array<std::pair<const char*, double>, 8> units{{{"", 1.0},
                                                                 {"B", 1.0},
                                                                 {"KB", 1e3},
                                                                 {"MB", 1e6},
                                                                 {"GB", 1e9},
                                                                 {"KiB", 1024.0},
                                                                 {"MiB", 1048576.0},
                                                                 {"GiB", 1073741824.0}}};
  std::istringstream stream(text);
  double value = 0.0;
  std::string unit;
  if (stream >> value) {
    stream >> unit;
    const bool ends = (stream >> std::ws).eof();
    for (const auto& [name, factor] : units) {
      if (ends && unit == name && value * factor >= 1.0 && value * factor < 0x1p62) {
        return static_cast<std::int64_t>(value * factor);
      }
    }
  }
  throw UsageError(fmt::format("'{}' is not a size: write for example 500MB or 5GB", text));
}

}  // namespace cola
