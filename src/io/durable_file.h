#pragma once
#include <cstddef>
#include <filesystem>
#include <span>

#include "io/file_descriptor.h"

namespace cola {

/// The folder that holds `path`; "." for a plain name.
[[nodiscard]] std::filesystem::path parent_of(const std::filesystem::path& path);

/// Where `path` is prepared ("PATH.tmp-PID"), and where what it replaces is kept meanwhile ("PATH.old-PID").
[[nodiscard]] std::filesystem::path temporary_path(const std::filesystem::path& path);
[[nodiscard]] std::filesystem::path replaced_path(const std::filesystem::path& path);

/// A file that appears under its name when it is complete: written beside it ("NAME.tmp-PID"), fsynced and
/// renamed by commit(). Without a commit the destructor removes what was written. Where the name is that of a
/// device or a FIFO, that is written to directly, and never removed.
class DurableFile {
 public:
  explicit DurableFile(std::filesystem::path file);
  ~DurableFile();
  DurableFile(const DurableFile&) = delete;
  DurableFile& operator=(const DurableFile&) = delete;

  void write(std::span<const std::byte> bytes);  ///< throws Error, for example when the disk is full
  void commit();

 private:
  std::filesystem::path file_;
  bool direct_;
  std::filesystem::path written_;  ///< the temporary file, or file_ where it is written directly
  FileDescriptor descriptor_;
  bool committed_ = false;
};

}  // namespace cola
