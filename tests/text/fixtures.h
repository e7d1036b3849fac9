#pragma once
#include <gtest/gtest.h>

#include <array>
#include <concepts>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "support/files.h"
#include "text/byte_level.h"
#include "text/tokenizer.h"

namespace cola::test {

using Json = nlohmann::json;
using Ids = std::vector<std::int32_t>;

/// A temporary folder with files of a tokenizer.
class Folder : public TemporaryFolder {
 public:
  void write(const std::string& name, std::string_view text) const {
    std::ofstream(path() / name, std::ios::binary) << text;
  }
  /// Only for a Json itself: a string would convert to one.
  template <std::same_as<Json> T>
  void write(const std::string& name, const T& json) const {
    write(name, std::string_view(json.dump()));
  }
};

/// The message of the Error that opening `folder` throws; empty if it throws none.
inline std::string open_error(const Folder& folder) {
  try {
    (void)open_tokenizer(folder.path());
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

inline const std::vector<std::pair<std::string, std::string>>& small_merges() {
  static const std::vector<std::pair<std::string, std::string>> merges{
      {"h", "e"}, {"l", "l"}, {"he", "ll"}, {"hell", "o"}, {"\u0120", "w"}, {"\u0120w", "o"}, {"r", "ll"}};
  return merges;
}

/// Ids 0 to 3: the first tokens; then the 256 bytes in order; then the merges' results.
inline constexpr std::int32_t first_byte_id = 4;
inline constexpr std::int32_t first_merge_id = 260;
inline std::int32_t byte_id(char byte) { return first_byte_id + static_cast<unsigned char>(byte); }

inline Json small_byte_level_vocabulary(const std::vector<std::string>& first_tokens) {
  Json vocabulary = Json::object();
  std::int32_t id = 0;
  for (const std::string& token : first_tokens) vocabulary[token] = id++;
  for (int byte = 0; byte < 256; ++byte) {
    const char character = static_cast<char>(byte);
    vocabulary[bytes_to_characters(std::string_view(&character, 1))] = byte_id(character);
  }
  id = first_merge_id;
  for (const auto& [left, right] : small_merges()) vocabulary[left + right] = id++;
  return vocabulary;
}

inline std::string small_merges_text() {
  std::string text = "#version: 0.2\n";
  for (const auto& [left, right] : small_merges()) text += left + " " + right + "\n";
  return text;
}

inline void write_opt_files(const Folder& folder) {
  folder.write("vocab.json", small_byte_level_vocabulary({"<s>", "<pad>", "</s>", "<unk>"}));
  folder.write("merges.txt", small_merges_text());
}

inline Json small_merges_json() {
  Json merges = Json::array();
  for (const auto& [left, right] : small_merges()) merges.push_back(left + " " + right);
  return merges;
}

inline Json added_token(std::int32_t id, const std::string& content) {
  return {{"id", id},        {"content", content}, {"special", true},    {"single_word", false},
          {"lstrip", false}, {"rstrip", false},    {"normalized", false}};
}

/// A byte-level tokenizer.json in the manner of Llama-3's.
inline Json small_byte_level_json() {
  return {{"added_tokens",
           {added_token(0, "<|begin_of_text|>"), added_token(1, "<|end_of_text|>"),
            added_token(2, "<|eot_id|>"), added_token(3, "<|other|>")}},
          {"normalizer", nullptr},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
          {"post_processor", nullptr},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model",
           {{"type", "BPE"},
            {"vocab", small_byte_level_vocabulary(
                          {"<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|other|>"})},
            {"merges", small_merges_json()}}}};
}

/// A tokenizer.json in the manner of Llama-2's: <unk> 0, <s> 1, </s> 2, then (with `bytes`) <0x00> at 3 to
/// <0xFF> at 258, then "\u2581" 300, a 301, b 302, "ab" 303, "\u2581ab" 304, "\n" 305, "\u2581a" 306.
inline Json small_llama_json(bool bytes = true) {
  Json vocabulary{{"<unk>", 0},
                  {"<s>", 1},
                  {"</s>", 2},
                  {"\u2581", 300},
                  {"a", 301},
                  {"b", 302},
                  {"ab", 303},
                  {"\u2581"
                   "ab",
                   304},
                  {"\n", 305},
                  {"\u2581"
                   "a",
                   306}};
  for (int byte = 0; bytes && byte < 256; ++byte) {
    std::array<char, 8> name{};
    std::snprintf(name.data(), name.size(), "<0x%02X>", static_cast<unsigned>(byte));
    vocabulary[name.data()] = byte + 3;
  }
  const Json replace{{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}};
  const Json restore{{"type", "Replace"}, {"pattern", {{"String", "\u2581"}}}, {"content", " "}};
  const Json strip{{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}};
  return {
      {"added_tokens", {added_token(0, "<unk>"), added_token(1, "<s>"), added_token(2, "</s>")}},
      {"normalizer",
       {{"type", "Sequence"}, {"normalizers", {{{"type", "Prepend"}, {"prepend", "\u2581"}}, replace}}}},
      {"pre_tokenizer", nullptr},
      {"post_processor",
       {{"type", "TemplateProcessing"},
        {"single", {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}}}}}}}},
      {"decoder",
       {{"type", "Sequence"},
        {"decoders", {restore, {{"type", "ByteFallback"}}, {{"type", "Fuse"}}, strip}}}},
      {"model",
       {{"type", "BPE"},
        {"unk_token", "<unk>"},
        {"fuse_unk", true},
        {"byte_fallback", true},
        {"vocab", vocabulary},
        {"merges", {"a b", Json::array({"\u2581", "ab"}), "\u2581 a"}}}}};
}

}  // namespace cola::test
