#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace cola {

/// XXH3, 64 bits: tells damage, not forgery.
[[nodiscard]] std::uint64_t hash_of(std::span<const std::byte> bytes);

/// XXH3, 128 bits, of bytes that come piece by piece: tells contents apart, not forgery.
class ContentHash {
 public:
  ContentHash();
  ~ContentHash();
  ContentHash(const ContentHash&) = delete;
  ContentHash& operator=(const ContentHash&) = delete;

  void add(std::span<const std::byte> bytes);
  void add(std::string_view text) { add(std::as_bytes(std::span(text))); }
  [[nodiscard]] std::string hexadecimal() const;  ///< of all bytes so far, 32 digits

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Of a regular file's bytes; `each` is called with how many are read, now and then. Throws Error naming the
/// file.
[[nodiscard]] std::string content_hash(const std::filesystem::path& file,
                                       const std::function<void(std::int64_t bytes)>& each = {});

}  // namespace cola
