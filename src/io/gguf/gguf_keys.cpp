#include "io/gguf/gguf_keys.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "core/error.h"
#include "io/printable.h"

namespace cola {

std::string_view gguf_type_name(std::size_t type) {
  constexpr std::array<std::string_view, std::variant_size_v<GgufValue>> names{
      "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "str", "arr", "u64", "i64", "f64"};
  return names.at(type);
}

void GgufKeys::add(std::string key, GgufValue value) {
  if (key.empty()) throw Error(fmt::format("{}: a key without a name", where_));
  if (!by_name_.emplace(key, all_.size()).second)
    throw Error(fmt::format("{}: key '{}' occurs twice", where_, printable(key)));
  all_.emplace_back(std::move(key), std::move(value));
}

const GgufValue* GgufKeys::value(std::string_view key) const {
  const auto found = by_name_.find(key);
  return found == by_name_.end() ? nullptr : &all_[found->second].second;
}

const std::vector<std::string_view>* GgufKeys::strings(std::string_view key) const {
  const auto* array = find<GgufArray>(key);
  if (array == nullptr) return nullptr;
  constexpr std::size_t string_type = 8;
  if (array->element_type != string_type) refuse_type(key, array->element_type, string_type);
  return &array->strings;
}

template <class T>
std::optional<std::vector<T>> GgufKeys::numbers(std::string_view key) const {
  const auto* array = find<GgufArray>(key);
  if (array == nullptr) return std::nullopt;
  if (const std::size_t wanted = GgufValue(T{}).index(); array->element_type != wanted)
    refuse_type(key, array->element_type, wanted);
  std::vector<T> values(array->count);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if constexpr (std::is_same_v<T, bool>) {
      values[i] = array->numbers[i] != std::byte{0};
    } else {
      std::memcpy(&values[i], array->numbers.data() + i * sizeof(T), sizeof(T));
    }
  }
  return values;
}
template std::optional<std::vector<std::uint32_t>> GgufKeys::numbers(std::string_view key) const;
template std::optional<std::vector<std::int32_t>> GgufKeys::numbers(std::string_view key) const;
template std::optional<std::vector<float>> GgufKeys::numbers(std::string_view key) const;
template std::optional<std::vector<bool>> GgufKeys::numbers(std::string_view key) const;

void GgufKeys::refuse_type(std::string_view key, std::size_t type, std::size_t wanted) const {
  throw Error(fmt::format("{}: key '{}' has type {} where {} is expected", where_, printable(key),
                          gguf_type_name(type), gguf_type_name(wanted)));
}

void GgufKeys::refuse_missing(std::string_view key) const {
  throw Error(fmt::format("{}: key '{}' is missing", where_, printable(key)));
}

}  // namespace cola
