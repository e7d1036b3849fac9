#pragma once
#include <cstring>
#include <map>

#include "io/gguf/gguf_metadata.h"
#include "text/fixtures.h"

namespace cola::test {

/// The keys of a vocabulary, to be changed before they are written as a GGUF file without tensors.
struct GgufTokens {
  std::string model{};
  std::string pre{};
  std::vector<std::string> tokens{};
  std::vector<std::int32_t> types{};
  std::vector<float> scores{};
  std::vector<std::string> merges{};
  std::map<std::string, std::uint32_t> ids{};  ///< "bos_token_id"
  std::map<std::string, bool> flags{};         ///< "add_bos_token"
  std::map<std::string, std::string> texts{};  ///< whole keys
};

inline void write_gguf(const std::filesystem::path& file, const GgufMetadata& metadata) {
  std::ofstream out(file, std::ios::binary);
  const auto number = [&](auto value) { out.write(reinterpret_cast<const char*>(&value), sizeof value); };
  out << "GGUF";
  number(std::uint32_t{3});
  number(std::int64_t{0});
  number(static_cast<std::int64_t>(metadata.count()));
  out.write(reinterpret_cast<const char*>(metadata.bytes().data()),
            static_cast<std::streamsize>(metadata.bytes().size()));
}

inline void write_gguf(const std::filesystem::path& file, const GgufTokens& tokens) {
  GgufMetadata metadata;
  const auto key = [](const std::string& name) { return "tokenizer.ggml." + name; };
  metadata.add(key("model"), std::string_view(tokens.model));
  metadata.add(key("pre"), std::string_view(tokens.pre));
  metadata.add(key("tokens"), tokens.tokens);
  metadata.add(key("token_type"), std::span<const std::int32_t>(tokens.types));
  metadata.add(key("scores"), std::span<const float>(tokens.scores));
  metadata.add(key("merges"), tokens.merges);
  for (const auto& [name, id] : tokens.ids) metadata.add(key(name), id);
  for (const auto& [name, flag] : tokens.flags) metadata.add(key(name), flag);
  for (const auto& [name, text] : tokens.texts) metadata.add(name, std::string_view(text));
  write_gguf(file, metadata);
}

/// The tokens and ids of small_byte_level_vocabulary, and `pre`: <|begin_of_text|> 0, <|end_of_text|> 1,
/// <tool> 2 (user-defined), [PAD3] 3 (unused).
inline GgufTokens small_gguf_byte_level(const std::string& pre) {
  GgufTokens made{.model = "gpt2", .pre = pre};
  made.tokens = {"<|begin_of_text|>", "<|end_of_text|>", "<tool>", "[PAD3]"};
  for (int byte = 0; byte < 256; ++byte) {
    const char character = static_cast<char>(byte);
    made.tokens.push_back(bytes_to_characters(std::string_view(&character, 1)));
  }
  for (const auto& [left, right] : small_merges()) {
    made.tokens.push_back(left + right);
    made.merges.push_back(left + " " + right);
  }
  made.types.assign(made.tokens.size(), 1);
  made.types[0] = made.types[1] = 3;
  made.types[2] = 4;
  made.types[3] = 5;
  made.ids = {{"bos_token_id", 0}, {"eos_token_id", 1}};
  return made;
}

/// <unk> 0, <s> 1, </s> 2, <0x00> 3 to <0xFF> 258, "\u2581" 259, a 260, b 261, "ab" 262, "\u2581ab" 263,
/// "\u2581a" 264, "aa" 265; the scores fall.
inline GgufTokens small_gguf_sentencepiece() {
  GgufTokens made{.model = "llama", .pre = "default"};
  made.tokens = {"<unk>", "<s>", "</s>"};
  made.types = {2, 3, 3};
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::array<char, 8> name{};
    std::snprintf(name.data(), name.size(), "<0x%02X>", byte);
    made.tokens.emplace_back(name.data());
    made.types.push_back(6);
  }
  made.scores.assign(made.tokens.size(), 0.0F);
  float score = -1.0F;
  for (const char* token : {"\u2581", "a", "b", "ab",
                            "\u2581"
                            "ab",
                            "\u2581"
                            "a",
                            "aa"}) {
    made.tokens.emplace_back(token);
    made.types.push_back(1);
    made.scores.push_back(score--);
  }
  return made;
}

/// What opening a file with these keys throws; empty if it opens.
inline std::string gguf_error(const GgufTokens& tokens) {
  const Folder folder;
  write_gguf(folder.path() / "vocabulary.gguf", tokens);
  try {
    (void)open_tokenizer(folder.path() / "vocabulary.gguf");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

inline std::unique_ptr<Tokenizer> open_gguf(const GgufTokens& tokens) {
  const Folder folder;
  write_gguf(folder.path() / "vocabulary.gguf", tokens);
  return open_tokenizer(folder.path() / "vocabulary.gguf");
}

}  // namespace cola::test
