#include "text/utf8.h"

#include <fmt/format.h>

#include "core/error.h"

namespace cola {

namespace {
constexpr char32_t replacement_character = 0xFFFD;
}

Utf8Step utf8_step(std::string_view text, std::size_t position) {
  // Past the end reads as 0, which never continues a sequence.
  const auto byte = [&](std::size_t offset) -> unsigned {
    return position + offset < text.size() ? static_cast<unsigned char>(text[position + offset]) : 0U;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {.code_point = lead, .length = 1, .valid = true};
  std::size_t length = 0;
  if (lead >= 0xC2 && lead <= 0xDF) length = 2;
  if (lead >= 0xE0 && lead <= 0xEF) length = 3;
  if (lead >= 0xF0 && lead <= 0xF4) length = 4;
  if (length == 0) return {.code_point = replacement_character, .length = 1, .valid = false};
  // The second byte's range excludes overlong forms, surrogates and values above U+10FFFF.
  unsigned low = 0x80;
  unsigned high = 0xBF;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  char32_t value = lead & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    const unsigned next = byte(i);
    if (next < low || next > high) return {.code_point = replacement_character, .length = i, .valid = false};
    value = (value << 6) | (next & 0x3FU);
    low = 0x80;
    high = 0xBF;
  }
  return {.code_point = value, .length = length, .valid = true};
}

std::size_t last_code_point(std::string_view text) {
  std::size_t position = text.size() - 1;
  while (position > 0 && (static_cast<unsigned char>(text[position]) & 0xC0U) == 0x80U) --position;
  return position;
}

void append_utf8(std::string& text, char32_t code_point) {
  const auto put = [&](char32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | (code_point >> 6));
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | (code_point >> 12));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | (code_point >> 18));
    put(0x80 | ((code_point >> 12) & 0x3F));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t position = 0; position < text.size();) {
    const Utf8Step step = utf8_step(text, position);
    if (step.valid) {
      out.append(text.substr(position, step.length));
    } else {
      append_utf8(out, replacement_character);
    }
    position += step.length;
  }
  return out;
}

std::string_view strip_white_space(std::string_view text) {
  const auto is_space = [](char32_t c) {
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
           c == 0x3000;
  };
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text, 0);
    if (!is_space(step.code_point)) break;
    text.remove_prefix(step.length);
  }
  while (!text.empty()) {
    const std::size_t last = last_code_point(text);
    if (!is_space(utf8_step(text, last).code_point)) break;
    text = text.substr(0, last);
  }
  return text;
}

void require_utf8(std::string_view text, const std::string& where) {
  for (std::size_t position = 0; position < text.size();) {
    const Utf8Step step = utf8_step(text, position);
    if (!step.valid) {
      throw Error(fmt::format("{}: not valid UTF-8 at byte {}; convert it to UTF-8", where, position));
    }
    position += step.length;
  }
}

}  // namespace cola
