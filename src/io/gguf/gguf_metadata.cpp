#include "io/gguf/gguf_metadata.h"

#include <stdexcept>

namespace cola {
namespace {

class ByteWriter {
 public:
  explicit ByteWriter(std::vector<std::byte>& bytes) : bytes_(bytes) {}

  void raw(std::span<const std::byte> part) { bytes_.insert(bytes_.end(), part.begin(), part.end()); }
  template <class T>
  void number(T value) {
    raw(std::as_bytes(std::span(&value, 1)));
  }
  void string(std::string_view text) {
    number<std::uint64_t>(text.size());
    raw(std::as_bytes(std::span(text)));
  }
  void value(std::string_view text) { string(text); }
  void value(bool truth) { number<std::uint8_t>(truth ? 1 : 0); }
  void value(const GgufArray& array) {
    number(array.element_type);
    number(array.count);
    for (const std::string_view text : array.strings) string(text);
    raw(array.numbers);
  }
  template <class T>
  void value(T number_value) {
    number(number_value);
  }

 private:
  std::vector<std::byte>& bytes_;
};

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
  std::visit([&](const auto& alternative) { writer.value(alternative); }, value);
}

void GgufMetadata::add(std::string_view key, std::span<const std::string> strings) {
  GgufArray array;
  array.element_type = static_cast<std::uint32_t>(GgufValue(std::string_view()).index());
  array.count = strings.size();
  array.strings.assign(strings.begin(), strings.end());
  add(key, GgufValue(std::move(array)));
}

}  // namespace cola
