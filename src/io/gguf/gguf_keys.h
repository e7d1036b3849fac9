#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace cola {

/// An array of numbers, little-endian as in the file (perhaps unaligned; a boolean is a byte), or of strings.
struct GgufArray {
  std::uint32_t element_type = 0;  ///< as GgufValue::index()
  std::uint64_t count = 0;
  std::span<const std::byte> numbers;
  std::vector<std::string_view> strings;
};

/// A key's value; the alternatives are in the order of the format's type numbers, so that index() is one of
/// them. Strings and arrays are views into the file.
using GgufValue =
    std::variant<std::uint8_t, std::int8_t, std::uint16_t, std::int16_t, std::uint32_t, std::int32_t, float,
                 bool, std::string_view, GgufArray, std::uint64_t, std::int64_t, double>;

/// "u32", "str", ...: as llama.cpp calls a type in messages.
[[nodiscard]] std::string_view gguf_type_name(std::size_t type);

/// The keys of a GGUF file. Each is read by its exact type, as llama.cpp reads it: Throws Error naming file
/// and key where the type is another, or `at` finds none.
class GgufKeys {
 public:
  explicit GgufKeys(std::string where) : where_(std::move(where)) {}

  /// Throws Error where the key is there already, or is empty.
  void add(std::string key, GgufValue value);

  [[nodiscard]] bool has(std::string_view key) const { return by_name_.contains(key); }
  [[nodiscard]] const GgufValue* value(std::string_view key) const;

  template <class T>
  [[nodiscard]] const T* find(std::string_view key) const {
    const GgufValue* found = value(key);
    if (found == nullptr) return nullptr;
    if (const T* wanted = std::get_if<T>(found)) return wanted;
    refuse_type(key, found->index(), GgufValue(T{}).index());
  }
  template <class T>
  [[nodiscard]] T get(std::string_view key, T fallback) const {
    const T* found = find<T>(key);
    return found == nullptr ? fallback : *found;
  }
  template <class T>
  [[nodiscard]] const T& at(std::string_view key) const {
    if (const T* found = find<T>(key)) return *found;
    refuse_missing(key);
  }
  /// An array of strings; null if there is none.
  [[nodiscard]] const std::vector<std::string_view>* strings(std::string_view key) const;
  /// An array of T (u32, i32, f32 or bool); nothing if there is none.
  template <class T>
  [[nodiscard]] std::optional<std::vector<T>> numbers(std::string_view key) const;

  [[nodiscard]] const std::string& where() const { return where_; }  ///< the file, for messages
  /// In the order of the file.
  [[nodiscard]] const std::vector<std::pair<std::string, GgufValue>>& all() const { return all_; }

 private:
  [[noreturn]] void refuse_type(std::string_view key, std::size_t type, std::size_t wanted) const;
  [[noreturn]] void refuse_missing(std::string_view key) const;

  std::string where_;
  std::vector<std::pair<std::string, GgufValue>> all_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
};

}  // namespace cola
