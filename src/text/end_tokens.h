#pragma once
#include <cstdint>
#include <filesystem>
#include <set>

namespace cola {

/// eos_token_id, one or several, of a folder's generation_config.json, else of its config.json; of a GGUF
/// file those that end generation in llama.cpp.
[[nodiscard]] std::set<std::int32_t> end_tokens_of(const std::filesystem::path& path);

}  // namespace cola
