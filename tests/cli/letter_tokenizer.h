#pragma once
#include <filesystem>
#include <string>

#include "io/files.h"
#include "io/json.h"

namespace cola::test {

/// Byte-level, without merges: letters, space and newline, 32 tokens.
inline void write_letter_tokenizer(const std::filesystem::path& folder) {
  std::filesystem::create_directory(folder);
  Json vocabulary{{"<s>", 0}, {"<pad>", 1}, {"</s>", 2}, {"<unk>", 3}, {"\u0120", 4}, {"\u010a", 31}};
  for (char letter = 'a'; letter <= 'z'; ++letter) vocabulary[std::string(1, letter)] = 5 + letter - 'a';
  write_text_file(folder / "vocab.json", vocabulary.dump());
  write_text_file(folder / "merges.txt", "#version: 0.2\n");
}

}  // namespace cola::test
