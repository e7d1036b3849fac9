#pragma once
#include <unistd.h>

#include <cstdint>

namespace cola::ops {

/// Bytes of a core's second-level cache.
inline std::int64_t second_level_cache() {
  static const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  return bytes > 0 ? bytes : std::int64_t{1} << 20;
}

}  // namespace cola::ops
