#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace cola {

/// An entry of a zip file that is stored without compression.
struct StoredEntry {
  std::string name;
  std::span<const std::byte> bytes;
};

/// Where the stored entries of a zip file lie, from its central directory and local headers (APPNOTE.TXT 4.3,
/// with zip64). Every range is within `file`. Anything unexpected leaves entries out, or all of them: the
/// caller must have another way to read them.
[[nodiscard]] std::vector<StoredEntry> stored_entries(std::span<const std::byte> file);

}  // namespace cola
