#include "io/memory_map.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "io/file_descriptor.h"

namespace cola {

MemoryMap::MemoryMap(const std::filesystem::path& file) {
  // Not blocking: a FIFO of that name must not hang the program.
  const FileDescriptor descriptor = open_file(file, O_RDONLY | O_NONBLOCK);
  struct stat status{};
  if (::fstat(descriptor.get(), &status) != 0) {
    throw Error(fmt::format("cannot read {}: {}", file.string(), std::strerror(errno)));
  }
  if (!S_ISREG(status.st_mode)) throw Error(fmt::format("cannot read {}: not a regular file", file.string()));
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ == 0) return;
  void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor.get(), 0);
  if (mapped == MAP_FAILED) {
    throw Error(fmt::format("cannot map {} ({} bytes): {}", file.string(), size_, std::strerror(errno)));
  }
  data_ = mapped;
}

MemoryMap::~MemoryMap() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

MemoryMap::MemoryMap(MemoryMap&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MemoryMap& MemoryMap::operator=(MemoryMap&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void MemoryMap::drop() const {
  if (data_ != nullptr) ::madvise(data_, size_, MADV_DONTNEED);
}

MemoryMap map_weights(const std::filesystem::path& file) {
  MemoryMap map(file);
  constexpr std::string_view pointer = "version https://git-lfs";
  const auto bytes = map.bytes();
  if (bytes.size() >= pointer.size() && std::memcmp(bytes.data(), pointer.data(), pointer.size()) == 0) {
    throw Error(fmt::format("{} is a Git LFS pointer, not the weights: run 'git lfs pull' in its folder",
                            file.string()));
  }
  return map;
}

}  // namespace cola
