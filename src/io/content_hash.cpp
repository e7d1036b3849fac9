#include "io/content_hash.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/error.h"
#include "io/file_descriptor.h"

namespace cola {

struct ContentHash::State {
  XXH3_state_t xxh3;
};

std::uint64_t hash_of(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

ContentHash::ContentHash() : state_(std::make_unique<State>()) { XXH3_128bits_reset(&state_->xxh3); }
ContentHash::~ContentHash() = default;

void ContentHash::add(std::span<const std::byte> bytes) {
  XXH3_128bits_update(&state_->xxh3, bytes.data(), bytes.size());
}

std::string ContentHash::hexadecimal() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(&state_->xxh3);
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::string content_hash(const std::filesystem::path& file, const std::function<void(std::int64_t)>& each) {
  const FileDescriptor descriptor = open_file(file, O_RDONLY);
  ContentHash hash;
  std::vector<std::byte> buffer(std::size_t{4} << 20);
  std::int64_t read = 0;
  while (true) {
    const ssize_t count = ::read(descriptor.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error(fmt::format("cannot read {}: {}", file.string(), std::strerror(errno)));
    if (count == 0) return hash.hexadecimal();
    hash.add(std::span(buffer).first(static_cast<std::size_t>(count)));
    read += count;
    if (each) each(read);
  }
}

}  // namespace cola
