#include "io/zip_archive.h"

#include <fmt/format.h>
#include <zip.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "io/printable.h"
#include "io/zip_directory.h"

namespace cola {
namespace {

constexpr zip_flags_t raw_names = ZIP_FL_ENC_RAW;

class ZipError {
 public:
  ZipError() { zip_error_init(&error_); }
  ~ZipError() { zip_error_fini(&error_); }
  ZipError(const ZipError&) = delete;
  ZipError& operator=(const ZipError&) = delete;

  [[nodiscard]] zip_error_t* get() { return &error_; }
  [[nodiscard]] const char* text() { return zip_error_strerror(&error_); }

 private:
  zip_error_t error_{};
};

zip_t* open_archive(std::span<const std::byte> file, const std::string& where) {
  ZipError error;
  zip_source_t* source = zip_source_buffer_create(file.data(), file.size(), 0, error.get());
  if (source == nullptr) throw Error(fmt::format("cannot read {}: {}", where, error.text()));
  zip_t* archive = zip_open_from_source(source, ZIP_RDONLY, error.get());
  if (archive == nullptr) {
    zip_source_free(source);
    throw Error(fmt::format("{} is damaged, truncated or still downloading: {}", where, error.text()));
  }
  return archive;
}

zip_stat_t stat_of(zip_t* archive, std::uint64_t index, const std::string& where) {
  zip_stat_t status;
  zip_stat_init(&status);
  constexpr zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
  if (zip_stat_index(archive, index, raw_names, &status) != 0 || (status.valid & needed) != needed) {
    throw Error(fmt::format("{} is damaged: entry {} of the zip file is unreadable", where, index));
  }
  return status;
}

}  // namespace

void ZipArchive::Close::operator()(zip* archive) const noexcept { zip_discard(archive); }

ZipArchive::ZipArchive(std::span<const std::byte> file, std::string where)
    : where_(std::move(where)), archive_(open_archive(file, where_)) {
  const zip_int64_t count = zip_get_num_entries(archive_.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<std::uint64_t>(i);
    const zip_stat_t status = stat_of(archive_.get(), index, where_);
    if (!entries_.emplace(status.name, Entry{index, status.size, status.comp_size, {}}).second) {
      throw Error(fmt::format("{} is damaged: it has two entries '{}'", where_, printable(status.name)));
    }
  }
  for (const StoredEntry& stored : stored_entries(file)) {
    const auto entry = entries_.find(stored.name);
    if (entry != entries_.end() && entry->second.bytes == stored.bytes.size())
      entry->second.in_place = stored.bytes;
  }
}

std::vector<std::byte> ZipArchive::read(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) throw Error(fmt::format("{} has no entry '{}'", where_, printable(name)));
  const Entry& entry = found->second;
  const zip_stat_t status = stat_of(archive_.get(), entry.index, where_);
  const bool readable = status.comp_method == ZIP_CM_STORE || status.comp_method == ZIP_CM_DEFLATE;
  const bool encrypted =
      (status.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && status.encryption_method != ZIP_EM_NONE;
  if (!readable || encrypted) {
    throw Error(
        fmt::format("{}: entry '{}' is encrypted or neither stored nor deflated", where_, printable(name)));
  }
  const auto damaged = [&] {
    return Error(fmt::format("{}: entry '{}' is damaged", where_, printable(name)));
  };
  const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> stream(
      zip_fopen_index(archive_.get(), entry.index, 0), zip_fclose);
  if (stream == nullptr) throw damaged();
  constexpr std::uint64_t chunk = std::uint64_t{1} << 20;
  std::vector<std::byte> result;
  while (true) {
    // One byte more than declared is asked for, so that libzip reaches the end and checks the CRC.
    const std::size_t done = result.size();
    result.resize(done + static_cast<std::size_t>(std::min(chunk, entry.bytes - done + 1)));
    const zip_int64_t count = zip_fread(stream.get(), result.data() + done, result.size() - done);
    if (count < 0) throw damaged();
    result.resize(done + static_cast<std::size_t>(count));
    if (result.size() > entry.bytes) throw damaged();
    if (count == 0) break;
  }
  if (result.size() != entry.bytes) throw damaged();
  return result;
}

}  // namespace cola
