#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace cola {

/// GPT-2's pre-tokenizer pattern (openai/gpt-2, encoder.py).
inline constexpr std::string_view gpt2_pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// GPT-2's printable character for each byte: itself where it prints in Latin-1, else from U+0100 on in byte
/// order.
[[nodiscard]] const std::array<char32_t, 256>& byte_characters();

/// The byte that `character` stands for, if any.
[[nodiscard]] std::optional<unsigned char> byte_of_character(char32_t character);

/// Each byte as its character, in UTF-8.
[[nodiscard]] std::string bytes_to_characters(std::string_view bytes);

/// Appends the bytes of a byte-level token. A token with a character outside the table (an added token) is
/// appended as it stands.
void append_token_bytes(std::string& bytes, std::string_view token);

}  // namespace cola
