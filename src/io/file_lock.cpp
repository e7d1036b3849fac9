#include "io/file_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "core/error.h"

namespace cola {
namespace {

constexpr std::chrono::milliseconds poll_interval{50};

/// Opens a file, creating it with its folder. Another holder may remove the folder at any moment.
FileDescriptor open_lock(const std::filesystem::path& file) {
  const std::filesystem::path folder = file.parent_path();
  std::error_code failure;
  std::filesystem::create_directories(folder.parent_path(), failure);
  if (failure)
    throw Error(fmt::format("cannot create {}: {}", folder.parent_path().string(), failure.message()));
  constexpr int most_tries = 1000;  // so that a link to nowhere in the folder's place does not hang
  for (int i = 0; i < most_tries; ++i) {
    if (::mkdir(folder.c_str(), 0777) != 0 && errno != EEXIST) break;
    FileDescriptor descriptor(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (descriptor.get() >= 0) return descriptor;
    if (errno != ENOENT) break;
  }
  throw Error(fmt::format("cannot create {}: {}", file.string(), std::strerror(errno)));
}

/// Whether the name still stands for the file that was opened.
bool is_still(const std::filesystem::path& file, const FileDescriptor& descriptor) {
  struct stat opened{}, named{};
  return ::fstat(descriptor.get(), &opened) == 0 && ::stat(file.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

FileDescriptor lock(const std::filesystem::path& file, const std::string& refusal, int patience,
                    const std::function<void()>& waiting) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(patience);
  while (true) {
    FileDescriptor descriptor = open_lock(file);
    if (::flock(descriptor.get(), LOCK_EX | LOCK_NB) == 0) {
      if (is_still(file, descriptor)) return descriptor;
      continue;
    }
    if (errno != EWOULDBLOCK && errno != EINTR)
      throw Error(fmt::format("{}: cannot be locked: {}", file.string(), std::strerror(errno)));
    if (std::chrono::steady_clock::now() >= end) throw Error(refusal);
    if (waiting) waiting();
    std::this_thread::sleep_for(poll_interval);
  }
}

}  // namespace

FileLock::FileLock(std::filesystem::path file, const std::string& refusal, int patience,
                   const std::function<void()>& waiting)
    : file_(std::move(file)), descriptor_(lock(file_, refusal, patience, waiting)) {}

FileLock::~FileLock() {
  ::unlink(file_.c_str());
  ::rmdir(file_.parent_path().c_str());  // fails while anything is in it
}

}  // namespace cola
