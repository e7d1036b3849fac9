#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

struct zip;

namespace cola {

/// A zip file in memory, which must outlive this. Read-only; entries that are stored or deflated, not
/// encrypted.
class ZipArchive {
 public:
  struct Entry {
    std::uint64_t index = 0;  ///< libzip's
    std::uint64_t bytes = 0;  ///< uncompressed, as declared
    std::uint64_t compressed_bytes = 0;
    /// An entry that is stored uncompressed, in place. libzip does not tell where; where the file's own
    /// directory does not tell it beyond doubt either, this is empty and read() copies the entry.
    std::optional<std::span<const std::byte>> in_place;
  };

  /// Throws Error naming `where` if the bytes are not a readable zip file or a name occurs twice.
  ZipArchive(std::span<const std::byte> file, std::string where);

  [[nodiscard]] const std::map<std::string, Entry>& entries() const { return entries_; }

  /// The entry's bytes, decompressed. Memory grows with what is really there, not with the declared size.
  /// Throws Error naming the entry if it is damaged, encrypted, compressed otherwise or its size is not the
  /// declared one.
  [[nodiscard]] std::vector<std::byte> read(const std::string& name) const;

 private:
  struct Close {
    void operator()(zip* archive) const noexcept;
  };
  std::string where_;
  std::unique_ptr<zip, Close> archive_;
  std::map<std::string, Entry> entries_;
};

}  // namespace cola
