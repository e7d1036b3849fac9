#include "io/file_hashes.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <ctime>
#include <optional>

#include "core/error.h"
#include "io/content_hash.h"
#include "io/files.h"

namespace cola {
namespace {

constexpr std::size_t digits = 32;

std::optional<struct stat> regular_status(const std::filesystem::path& file) {
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return status;
}

std::string identity_of(const struct stat& status) {
  return fmt::format("{} {} {} {}.{:09} {}.{:09}", status.st_dev, status.st_ino, status.st_size,
                     status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec,
                     status.st_ctim.tv_nsec);
}

/// Whether the next write would change the times: it is later than the last one by more than the grain of the
/// file system's clock, whole seconds where it keeps no parts of them.
bool is_settled(const struct stat& status) {
  struct timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const auto nanoseconds = [](const struct timespec& time) {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  };
  const std::int64_t grain = status.st_ctim.tv_nsec == 0 ? 2'000'000'000 : 100'000'000;
  return nanoseconds(now) - nanoseconds(status.st_ctim) > grain;
}

/// What is kept in `file`, if it is a hash.
std::string kept(const std::filesystem::path& file) {
  try {
    const std::string text = read_text_file(file, digits);
    return text.size() == digits ? text : "";
  } catch (const Error&) {
    return "";
  }
}

}  // namespace

std::string file_identity(const std::filesystem::path& file) {
  const auto status = regular_status(file);
  return status ? identity_of(*status) : "";
}

std::string FileHashes::of(const std::filesystem::path& file,
                           const std::function<void(std::int64_t)>& each) const {
  const auto status = regular_status(file);
  if (!status) throw Error(fmt::format("{}: cannot be read, or is no regular file", file.string()));
  const std::string identity = identity_of(*status);
  ContentHash name;
  name.add(identity);
  const std::filesystem::path record = folder_ / name.hexadecimal();
  if (const std::string hash = kept(record); !hash.empty()) return hash;
  const bool may_be_kept = is_settled(*status);
  const std::string hash = content_hash(file, each);
  if (may_be_kept && identity == file_identity(file)) {
    try {
      std::filesystem::create_directories(folder_);
      write_text_file(record, hash);
    } catch (const std::exception&) {
      return hash;  // computed anew the next time
    }
  }
  return hash;
}

}  // namespace cola
