#pragma once
#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "core/error.h"

namespace cola {

/// Reads a file's little-endian bytes from the front; what is outside them is refused. `what` names a field
/// in messages.
class ByteReader {
 public:
  ByteReader(std::span<const std::byte> bytes, std::string file) : all_(bytes), file_(std::move(file)) {}

  template <class T>
  [[nodiscard]] T number(const std::string& what) {
    T value;
    std::memcpy(&value, bytes(sizeof value, what).data(), sizeof value);
    return value;
  }
  [[nodiscard]] std::span<const std::byte> bytes(std::uint64_t count, const std::string& what) {
    if (count > left()) refuse_truncated(what);
    const auto part = all_.subspan(at_, count);
    at_ += count;
    return part;
  }
  /// Its length in 64 bits, then its bytes.
  [[nodiscard]] std::string_view string(const std::string& what) {
    const auto length = number<std::uint64_t>(what);
    if (length > left()) {
      refuse(fmt::format("{}: a string of {} bytes ends outside the file: truncated or still downloading",
                         what, length));
    }
    const auto text = bytes(length, what);
    return {reinterpret_cast<const char*>(text.data()), text.size()};
  }

  [[nodiscard]] std::uint64_t left() const { return all_.size() - at_; }
  [[nodiscard]] std::uint64_t size() const { return all_.size(); }
  [[nodiscard]] std::span<const std::byte> all() const { return all_; }

  [[noreturn]] void refuse(const std::string& why) const { throw Error(fmt::format("{}: {}", file_, why)); }
  [[noreturn]] void refuse_truncated(const std::string& what) const {
    refuse(fmt::format("it is truncated or still downloading: it ends inside {}", what));
  }

 private:
  std::span<const std::byte> all_;
  std::string file_;
  std::uint64_t at_ = 0;
};

}  // namespace cola
