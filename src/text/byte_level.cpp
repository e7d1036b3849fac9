#include "text/byte_level.h"

#include "text/utf8.h"

namespace cola {

namespace {

constexpr char32_t first_substitute = 0x100;
constexpr std::size_t character_range = 0x144;  // 68 bytes do not print: U+0100 to U+0143

constexpr bool prints(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::array<char32_t, 256> make_byte_characters() {
  std::array<char32_t, 256> table{};
  char32_t substitute = first_substitute;
  for (unsigned byte = 0; byte < 256; ++byte) table[byte] = prints(byte) ? byte : substitute++;
  return table;
}

constexpr std::array<char32_t, 256> characters = make_byte_characters();

constexpr std::array<int, character_range> make_character_bytes() {
  std::array<int, character_range> table{};
  table.fill(-1);
  for (int byte = 0; byte < 256; ++byte) table[characters[static_cast<std::size_t>(byte)]] = byte;
  return table;
}

constexpr std::array<int, character_range> character_bytes = make_character_bytes();

}  // namespace

const std::array<char32_t, 256>& byte_characters() { return characters; }

std::optional<unsigned char> byte_of_character(char32_t character) {
  if (character >= character_range || character_bytes[character] < 0) return std::nullopt;
  return static_cast<unsigned char>(character_bytes[character]);
}

std::string bytes_to_characters(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char byte : bytes) append_utf8(text, characters[static_cast<unsigned char>(byte)]);
  return text;
}

void append_token_bytes(std::string& bytes, std::string_view token) {
  const std::size_t start = bytes.size();
  for (std::size_t position = 0; position < token.size();) {
    const Utf8Step step = utf8_step(token, position);
    const std::optional<unsigned char> byte = step.valid ? byte_of_character(step.code_point) : std::nullopt;
    if (!byte) {
      bytes.resize(start);
      bytes.append(token);
      return;
    }
    bytes.push_back(static_cast<char>(*byte));
    position += step.length;
  }
}

}  // namespace cola
