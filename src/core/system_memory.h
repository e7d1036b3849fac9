#pragma once
#include <cstdint>
#include <string>

namespace cola {

/// Largest resident memory of this process so far, in bytes (VmHWM).
[[nodiscard]] std::int64_t peak_resident_bytes();

/// Resident memory of this process now, in bytes (VmRSS).
[[nodiscard]] std::int64_t resident_bytes();

/// Bytes that this process may still allocate: the machine's available memory, or less under a cgroup limit.
[[nodiscard]] std::int64_t available_memory_bytes();

/// "512 B", "3.4 MiB", "12.0 GiB".
[[nodiscard]] std::string format_bytes(std::int64_t bytes);

/// Bytes of "5GB", "512MB", "100KB" (powers of ten, as in Hugging Face), "4GiB" (powers of two) or a plain
/// number. Throws UsageError otherwise.
[[nodiscard]] std::int64_t parse_bytes(const std::string& text);

}  // namespace cola
