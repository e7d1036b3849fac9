#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace cola {

/// Content hashes of files, kept in a folder by the file's device, inode, size and times, so that a file that
/// has not changed is not read again. Safe with several processes.
class FileHashes {
 public:
  explicit FileHashes(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// See content_hash. Throws Error naming a file that cannot be read or is no regular one; that the hash
  /// cannot be kept is no error.
  [[nodiscard]] std::string of(const std::filesystem::path& file,
                               const std::function<void(std::int64_t bytes)>& each = {}) const;

 private:
  std::filesystem::path folder_;
};

/// Device, inode, size and times of a regular file, as text: another one after every change. Empty for what
/// is none.
[[nodiscard]] std::string file_identity(const std::filesystem::path& file);

}  // namespace cola
