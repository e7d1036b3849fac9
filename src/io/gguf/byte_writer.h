#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace cola {

/// Appends what ByteReader reads, little-endian, to `bytes`.
class ByteWriter {
 public:
  explicit ByteWriter(std::vector<std::byte>& bytes) : bytes_(bytes) {}

  void raw(std::span<const std::byte> part) {  // not insert(), of whose inlined copies GCC 12 warns in vain
    const std::size_t at = bytes_.size();
    bytes_.resize(at + part.size());
    std::ranges::copy(part, bytes_.begin() + static_cast<std::ptrdiff_t>(at));
  }
  template <class T>
  void number(T value) {
    raw(std::as_bytes(std::span(&value, 1)));
  }
  /// Its length in 64 bits, then its bytes.
  void string(std::string_view text) {
    number<std::uint64_t>(text.size());
    raw(std::as_bytes(std::span(text)));
  }

 private:
  std::vector<std::byte>& bytes_;
};

}  // namespace cola
