#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace cola {

/// Memory that tensors live in: the host's, or a device's. A device's addresses are dereferenced by its
/// backend's ops alone; everything else moves values by upload and download, which happen in the order of the
/// ops called before and after them. Outlives what is allocated from it.
class Memory {
 public:
  Memory() = default;
  virtual ~Memory() = default;
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  /// Aligned to 64 bytes at least. Throws Error if the memory cannot be had.
  [[nodiscard]] virtual std::byte* allocate(std::size_t bytes) = 0;
  virtual void release(std::byte* memory, std::size_t bytes) noexcept = 0;
  virtual void fill_zero(std::byte* memory, std::size_t bytes) = 0;

  /// From the host's memory to this; `host` may be changed after the call.
  virtual void upload(const std::byte* host, std::byte* destination, std::size_t bytes) = 0;
  /// From this memory to the host's; the values are there after the call.
  virtual void download(const std::byte* source, std::byte* host, std::size_t bytes) = 0;

  /// Whether the host may dereference its addresses: then nothing needs a copy.
  [[nodiscard]] virtual bool is_host() const = 0;
  [[nodiscard]] virtual std::int64_t available_bytes() const = 0;
  /// Most bytes in use at once so far: of the host's, by the whole process.
  [[nodiscard]] virtual std::int64_t peak_bytes() const = 0;
};

[[nodiscard]] Memory& host_memory();

/// Of the host, for many blocks that live as long as it does: nothing is given back before. They lie beside
/// each other in huge pages, which a block of less than 2 MiB does not get on its own.
[[nodiscard]] std::unique_ptr<Memory> make_pieced_memory();

/// Owns bytes of one memory. `resize` keeps them where there are enough; contents after it are unspecified.
/// A moved-from buffer is empty, of the host's memory, and may be used again.
class Buffer {
 public:
  Buffer() = default;  ///< of the host's memory
  explicit Buffer(Memory& memory) : memory_(&memory) {}
  ~Buffer() { release(); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept;

  void resize(std::size_t bytes);
  /// In `memory` from here on.
  void resize(Memory& memory, std::size_t bytes);
  void release() noexcept;  ///< gives the bytes back; empty after it

  [[nodiscard]] std::byte* data() { return data_; }
  [[nodiscard]] const std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  [[nodiscard]] Memory& memory() const { return *memory_; }
  /// What ops take, e.g. of a mask: std::uint8_t.
  template <class T>
  [[nodiscard]] std::span<T> as() {
    return {reinterpret_cast<T*>(data_), size_ / sizeof(T)};
  }

 private:
  void swap(Buffer& other) noexcept;

  Memory* memory_ = &host_memory();
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

/// Values of some memory where the host can read them: in place in its own, else a copy.
class FloatsOnHost {
 public:
  FloatsOnHost(Memory& memory, std::span<const float> values);
  [[nodiscard]] std::span<const float> values() const { return values_; }

 private:
  std::vector<float> copy_;
  std::span<const float> values_;
};

/// Calls write(floats) with host memory for `destination`'s values, which are written all: in place, or
/// uploaded after it.
template <class Write>
void write_from_host(Memory& memory, std::span<float> destination, const Write& write) {
  if (memory.is_host()) return write(destination);
  std::vector<float> values(destination.size());
  write(std::span(values));
  memory.upload(std::as_bytes(std::span(values)).data(), std::as_writable_bytes(destination).data(),
                destination.size_bytes());
}

}  // namespace cola
