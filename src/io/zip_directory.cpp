#include "io/zip_directory.h"

#include <algorithm>
#include <optional>

namespace cola {
namespace {

constexpr std::uint32_t end_signature = 0x06054b50;  // "PK\5\6"
constexpr std::uint32_t zip64_end_signature = 0x06064b50;
constexpr std::uint32_t zip64_locator_signature = 0x07064b50;
constexpr std::uint32_t central_signature = 0x02014b50;
constexpr std::uint32_t local_signature = 0x04034b50;
constexpr std::size_t end_bytes = 22;
constexpr std::size_t zip64_end_bytes = 56;
constexpr std::size_t zip64_locator_bytes = 20;
constexpr std::size_t central_bytes = 46;
constexpr std::size_t local_bytes = 30;
constexpr std::uint64_t in_zip64_extra = 0xffffffff;
constexpr std::uint16_t encrypted_flag = 1;

/// Little-endian number of `count` bytes; the caller has checked that they are there.
std::uint64_t number_at(std::span<const std::byte> bytes, std::size_t offset, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = count; i-- > 0;)
    value = value << 8 | std::to_integer<std::uint64_t>(bytes[offset + i]);
  return value;
}

/// The range, if it is within `bytes`.
std::optional<std::span<const std::byte>> slice(std::span<const std::byte> bytes, std::uint64_t offset,
                                                std::uint64_t count) {
  if (offset > bytes.size() || count > bytes.size() - offset) return std::nullopt;
  return bytes.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(count));
}

/// `count` bytes at `offset` that begin with `signature`.
std::optional<std::span<const std::byte>> record_at(std::span<const std::byte> file, std::uint64_t offset,
                                                    std::size_t count, std::uint32_t signature) {
  const auto record = slice(file, offset, count);
  if (!record || number_at(*record, 0, 4) != signature) return std::nullopt;
  return record;
}

std::optional<std::size_t> find_end_record(std::span<const std::byte> file) {
  constexpr std::size_t max_comment = 0xffff;
  for (std::size_t comment = 0; comment <= max_comment && comment + end_bytes <= file.size(); ++comment) {
    const std::size_t offset = file.size() - end_bytes - comment;
    if (number_at(file, offset, 4) == end_signature && number_at(file, offset + 20, 2) == comment)
      return offset;
  }
  return std::nullopt;
}

std::optional<std::span<const std::byte>> central_directory(std::span<const std::byte> file) {
  const auto end = find_end_record(file);
  if (!end) return std::nullopt;
  if (*end >= zip64_locator_bytes) {
    const auto locator =
        record_at(file, *end - zip64_locator_bytes, zip64_locator_bytes, zip64_locator_signature);
    if (locator) {
      const auto zip64 = record_at(file, number_at(*locator, 8, 8), zip64_end_bytes, zip64_end_signature);
      if (!zip64) return std::nullopt;
      return slice(file, number_at(*zip64, 48, 8), number_at(*zip64, 40, 8));
    }
  }
  return slice(file, number_at(file, *end + 16, 4), number_at(file, *end + 12, 4));
}

struct CentralEntry {
  std::string name;
  std::uint64_t flags = 0;
  std::uint64_t method = 0;
  std::uint64_t compressed_bytes = 0;
  std::uint64_t bytes = 0;
  std::uint64_t local_offset = 0;
};

/// Replaces the sizes that do not fit 32 bits by those of the zip64 extra field: they stand there in this
/// order.
bool apply_zip64_extra(std::span<const std::byte> extra, CentralEntry& entry) {
  while (extra.size() >= 4) {
    const auto id = number_at(extra, 0, 2);
    auto field = slice(extra, 4, number_at(extra, 2, 2));
    if (!field) return false;
    extra = extra.subspan(4 + field->size());
    if (id != 1) continue;
    for (std::uint64_t* value : {&entry.bytes, &entry.compressed_bytes, &entry.local_offset}) {
      if (*value != in_zip64_extra) continue;
      if (field->size() < 8) return false;
      *value = number_at(*field, 0, 8);
      field = field->subspan(8);
    }
    return true;
  }
  return true;
}

/// Reads the first entry and drops it from `directory`.
std::optional<CentralEntry> next_entry(std::span<const std::byte>& directory) {
  const auto record = record_at(directory, 0, central_bytes, central_signature);
  if (!record) return std::nullopt;
  const auto name_bytes = number_at(*record, 28, 2);
  const auto extra_bytes = number_at(*record, 30, 2);
  const auto name = slice(directory, central_bytes, name_bytes);
  const auto extra = slice(directory, central_bytes + name_bytes, extra_bytes);
  const auto all = central_bytes + name_bytes + extra_bytes + number_at(*record, 32, 2);
  if (!name || !extra || !slice(directory, 0, all)) return std::nullopt;
  directory = directory.subspan(all);
  CentralEntry entry{{reinterpret_cast<const char*>(name->data()), name->size()},
                     number_at(*record, 8, 2),
                     number_at(*record, 10, 2),
                     number_at(*record, 20, 4),
                     number_at(*record, 24, 4),
                     number_at(*record, 42, 4)};
  if (!apply_zip64_extra(*extra, entry)) return std::nullopt;
  return entry;
}

/// The data of a stored entry: behind its local header, whose own name and extra field may differ in length.
std::optional<std::span<const std::byte>> stored_bytes(std::span<const std::byte> file,
                                                       const CentralEntry& entry) {
  const bool stored =
      entry.method == 0 && (entry.flags & encrypted_flag) == 0 && entry.bytes == entry.compressed_bytes;
  if (!stored) return std::nullopt;
  const auto local = record_at(file, entry.local_offset, local_bytes, local_signature);
  if (!local || number_at(*local, 8, 2) != entry.method) return std::nullopt;
  const auto name_offset = entry.local_offset + local_bytes;
  const auto name = slice(file, name_offset, number_at(*local, 26, 2));
  if (!name || !std::ranges::equal(*name, std::as_bytes(std::span(entry.name)))) return std::nullopt;
  return slice(file, name_offset + name->size() + number_at(*local, 28, 2), entry.bytes);
}

}  // namespace

std::vector<StoredEntry> stored_entries(std::span<const std::byte> file) {
  std::vector<StoredEntry> result;
  auto directory = central_directory(file);
  while (directory && !directory->empty()) {
    const auto entry = next_entry(*directory);
    if (!entry) return {};
    if (const auto bytes = stored_bytes(file, *entry)) result.push_back({entry->name, *bytes});
  }
  return result;
}

}  // namespace cola
