#pragma once
#include <filesystem>
#include <utility>

namespace cola {

/// Owns a POSIX file descriptor.
class FileDescriptor {
 public:
  explicit FileDescriptor(int descriptor) : descriptor_(descriptor) {}
  ~FileDescriptor();
  FileDescriptor(FileDescriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&&) = delete;
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  [[nodiscard]] int get() const { return descriptor_; }
  /// Gives the descriptor up without closing it.
  [[nodiscard]] int release() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

/// open(2) with O_CLOEXEC and mode 0666. Throws Error naming the file and the cause.
[[nodiscard]] FileDescriptor open_file(const std::filesystem::path& file, int flags);

/// fsync(2) of a file or a folder. Throws Error naming it.
void sync_to_disk(const std::filesystem::path& path);

}  // namespace cola
