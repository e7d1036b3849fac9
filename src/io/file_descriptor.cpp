#include "io/file_descriptor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace cola {
FileDescriptor::~FileDescriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

FileDescriptor open_file(const std::filesystem::path& file, int flags) {
  int descriptor = -1;
  do {
    descriptor = ::open(file.c_str(), flags | O_CLOEXEC, 0666);
  } while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0) {
    const char* verb = (flags & O_ACCMODE) == O_RDONLY ? "read" : "write";
    throw Error(fmt::format("cannot {} {}: {}", verb, file.string(), std::strerror(errno)));
  }
  return FileDescriptor(descriptor);
}

void sync_to_disk(const std::filesystem::path& path) {
  const FileDescriptor descriptor = open_file(path, O_RDONLY | O_NONBLOCK);
  // EINVAL: the file system (or a FIFO) has no notion of it.
  if (::fsync(descriptor.get()) != 0 && errno != EINVAL) {
    throw Error(fmt::format("cannot write {}: {}", path.string(), std::strerror(errno)));
  }
}

}  // namespace cola
