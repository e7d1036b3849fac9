#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace cola {

/// The names of the built-in ones, in words.
inline constexpr std::string_view built_in_template_names = "llama2, llama3, chatml or plain";

/// A template in Jinja: llama2, llama3 and chatml as Hugging Face's published ones of that kind; plain is
/// ours, for tokenizers without chat tokens: "System: ...\n" where there is one, then "User: ...\nAssistant:
/// ...". `bos`, `eos`: whether it writes those tokens. Nothing for other names.
[[nodiscard]] std::optional<std::string> built_in_chat_template(std::string_view name, bool bos, bool eos);

}  // namespace cola
