#pragma once
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/gguf/gguf_keys.h"

namespace cola {

/// Keys that are to be written, in the format of the file. A T of GgufValue; a key that is there already
/// throws std::logic_error.
class GgufMetadata {
 public:
  /// A number, a boolean, a string, or a value of another file. An empty string or array is left out, as
  /// readers take that for a missing key.
  void add(std::string_view key, const GgufValue& value);
  void add(std::string_view key, std::span<const std::string> strings);
  template <class T>
  void add(std::string_view key, std::span<const T> numbers) {
    GgufArray array;
    array.element_type = static_cast<std::uint32_t>(GgufValue(T{}).index());
    array.count = numbers.size();
    array.numbers = std::as_bytes(numbers);
    add(key, GgufValue(std::move(array)));
  }

  [[nodiscard]] bool has(std::string_view key) const { return names_.contains(key); }
  [[nodiscard]] std::uint64_t count() const { return names_.size(); }
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::set<std::string, std::less<>> names_;
  std::vector<std::byte> bytes_;
};

}  // namespace cola
