#include "core/memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "core/system_memory.h"

namespace cola {
namespace {

constexpr std::size_t cache_line = 64;
constexpr std::size_t huge_page = std::size_t{2} << 20;

class HostMemory : public Memory {
 public:
  std::byte* allocate(std::size_t bytes) override {
    const std::size_t alignment = bytes >= huge_page ? huge_page : cache_line;
    void* memory = nullptr;
    if (::posix_memalign(&memory, alignment, bytes) != 0) {
      throw Error(fmt::format("out of memory: could not allocate {:.1f} MiB",
                              static_cast<double>(bytes) / (1 << 20)));
    }
    if (alignment == huge_page)
      (void)::madvise(memory, bytes / huge_page * huge_page, MADV_HUGEPAGE);  // a hint
    return static_cast<std::byte*>(memory);
  }
  void release(std::byte* memory, std::size_t /*bytes*/) noexcept override {
    // NOLINTNEXTLINE(cppcoreguidelines-owning-memory,cppcoreguidelines-no-malloc): of posix_memalign
    std::free(memory);
  }
  void fill_zero(std::byte* memory, std::size_t bytes) override { std::memset(memory, 0, bytes); }
  void upload(const std::byte* host, std::byte* destination, std::size_t bytes) override {
    if (bytes > 0) std::memcpy(destination, host, bytes);
  }
  void download(const std::byte* source, std::byte* host, std::size_t bytes) override {
    if (bytes > 0) std::memcpy(host, source, bytes);
  }
  [[nodiscard]] bool is_host() const override { return true; }
  [[nodiscard]] std::int64_t available_bytes() const override { return available_memory_bytes(); }
  [[nodiscard]] std::int64_t peak_bytes() const override { return peak_resident_bytes(); }
};

/// Pieces of memory, which blocks are cut off: each off the first that has room, as the page that a piece
/// ends in is taken whole.
class PiecedMemory final : public HostMemory {
 public:
  std::byte* allocate(std::size_t bytes) override {
    constexpr std::size_t piece_bytes = 16 * huge_page;
    const std::size_t room = (bytes + cache_line - 1) / cache_line * cache_line;
    auto piece = std::ranges::find_if(pieces_, [&](const Piece& each) { return each.rest() >= room; });
    if (piece == pieces_.end()) {
      piece = pieces_.emplace(piece);
      piece->memory.resize(std::max(room, piece_bytes));
    }
    piece->used += room;
    return piece->memory.data() + piece->used - room;
  }
  void release(std::byte* /*memory*/, std::size_t /*bytes*/) noexcept override {}

 private:
  struct Piece {
    Buffer memory;
    std::size_t used = 0;

    [[nodiscard]] std::size_t rest() const { return memory.size() - used; }
  };

  std::vector<Piece> pieces_;
};

}  // namespace

Memory& host_memory() {
  static HostMemory memory;
  return memory;
}

std::unique_ptr<Memory> make_pieced_memory() { return std::make_unique<PiecedMemory>(); }

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  Buffer taken(std::move(other));
  swap(taken);
  return *this;
}

void Buffer::swap(Buffer& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(capacity_, other.capacity_);
}

void Buffer::resize(std::size_t bytes) {
  if (bytes > capacity_) {
    release();
    data_ = memory_->allocate(bytes);
    capacity_ = bytes;
  }
  size_ = bytes;
}

void Buffer::resize(Memory& memory, std::size_t bytes) {
  if (memory_ != &memory) {
    release();
    memory_ = &memory;
  }
  resize(bytes);
}

void Buffer::release() noexcept {
  if (data_ != nullptr) memory_->release(data_, capacity_);
  data_ = nullptr;
  size_ = capacity_ = 0;
}

FloatsOnHost::FloatsOnHost(Memory& memory, std::span<const float> values) : values_(values) {
  if (memory.is_host()) return;
  copy_.resize(values.size());
  memory.download(std::as_bytes(values).data(), std::as_writable_bytes(std::span(copy_)).data(),
                  values.size_bytes());
  values_ = copy_;
}

}  // namespace cola
