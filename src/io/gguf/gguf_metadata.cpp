#include "io/gguf/gguf_metadata.h"

#include <stdexcept>

#include "io/gguf/byte_writer.h"

namespace cola {
namespace {

void put(ByteWriter& writer, std::string_view text) { writer.string(text); }
void put(ByteWriter& writer, bool truth) { writer.number<std::uint8_t>(truth ? 1 : 0); }
void put(ByteWriter& writer, const GgufArray& array) {
  writer.number(array.element_type);
  writer.number(array.count);
  for (const std::string_view text : array.strings) writer.string(text);
  writer.raw(array.numbers);
}
template <class T>
void put(ByteWriter& writer, T number) {
  writer.number(number);
}

bool is_empty(const GgufValue& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) return text->empty();
  if (const auto* array = std::get_if<GgufArray>(&value)) return array->count == 0;
  return false;
}

}  // namespace

void GgufMetadata::add(std::string_view key, const GgufValue& value) {
  if (is_empty(value)) return;
  if (!names_.emplace(key).second) throw std::logic_error("GGUF key twice: " + std::string(key));
  ByteWriter writer(bytes_);
  writer.string(key);
  writer.number(static_cast<std::uint32_t>(value.index()));
  std::visit([&](const auto& alternative) { put(writer, alternative); }, value);
}

void GgufMetadata::add(std::string_view key, std::span<const std::string> strings) {
  GgufArray array;
  array.element_type = static_cast<std::uint32_t>(GgufValue(std::string_view()).index());
  array.count = strings.size();
  array.strings.assign(strings.begin(), strings.end());
  add(key, GgufValue(std::move(array)));
}

}  // namespace cola
