#include "io/durable_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "core/error.h"

namespace cola {
namespace {

bool is_device_or_fifo(const std::filesystem::path& file) {
  std::error_code ignored;
  const auto status = std::filesystem::status(file, ignored);
  return std::filesystem::is_other(status);
}

[[noreturn]] void throw_write_error(const std::filesystem::path& file, int cause) {
  throw Error(fmt::format("cannot write {}: {}", file.string(), std::strerror(cause)));
}

std::filesystem::path with_suffix(const std::filesystem::path& path, const char* kind) {
  std::filesystem::path result = path;
  result += fmt::format(".{}-{}", kind, ::getpid());
  return result;
}

}  // namespace

std::filesystem::path parent_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

std::filesystem::path temporary_path(const std::filesystem::path& path) { return with_suffix(path, "tmp"); }
std::filesystem::path replaced_path(const std::filesystem::path& path) { return with_suffix(path, "old"); }

DurableFile::DurableFile(std::filesystem::path file)
    : file_(std::move(file)),
      direct_(is_device_or_fifo(file_)),
      written_(direct_ ? file_ : temporary_path(file_)),
      descriptor_(open_file(written_, O_WRONLY | (direct_ ? 0 : O_CREAT | O_TRUNC | O_NOFOLLOW))) {}

DurableFile::~DurableFile() {
  if (!committed_ && !direct_) ::unlink(written_.c_str());
}

void DurableFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_.get(), bytes.data(), bytes.size());
    if (written >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      throw_write_error(file_, errno);
    }
  }
}

void DurableFile::commit() {
  if (::fsync(descriptor_.get()) != 0 && !(direct_ && errno == EINVAL)) throw_write_error(file_, errno);
  if (::close(descriptor_.release()) != 0) throw_write_error(file_, errno);  // NFS reports a full disk here
  if (direct_) {
    committed_ = true;
    return;
  }
  if (::rename(written_.c_str(), file_.c_str()) != 0) throw_write_error(file_, errno);
  committed_ = true;
  sync_to_disk(parent_of(file_));
}

}  // namespace cola
