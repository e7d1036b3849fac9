#pragma once
#include <cstddef>
#include <filesystem>
#include <span>

namespace cola {

/// A regular file's bytes, mapped read-only. Unmapped by the destructor; the file may be renamed or deleted
/// meanwhile, but reading after somebody truncated it ends the process (SIGBUS), as with any mapped file.
class MemoryMap {
 public:
  /// Throws Error naming the file if it is missing, unreadable or not a regular file.
  explicit MemoryMap(const std::filesystem::path& file);
  ~MemoryMap();
  MemoryMap(MemoryMap&& other) noexcept;
  MemoryMap& operator=(MemoryMap&& other) noexcept;
  MemoryMap(const MemoryMap&) = delete;
  MemoryMap& operator=(const MemoryMap&) = delete;

  [[nodiscard]] std::span<const std::byte> bytes() const {
    return {static_cast<const std::byte*>(data_), size_};
  }
  /// Gives back the memory of what has been read; it is read from the file again when it is needed.
  void drop() const;

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Maps a file of weights. Throws Error, also where it is a Git LFS pointer instead of the weights.
[[nodiscard]] MemoryMap map_weights(const std::filesystem::path& file);

}  // namespace cola
