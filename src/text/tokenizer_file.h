#pragma once
#include <deque>
#include <filesystem>
#include <string>
#include <vector>

#include "io/json.h"
#include "io/memory_map.h"
#include "text/bpe.h"

namespace cola {

/// A tokenizer.json. The vocabulary and the merges of its model, which can have half a million entries, are
/// apart: `json` has an empty object and an empty array where they stand, unless it took the parser to read
/// them.
struct TokenizerFile {
  /// Throws Error naming the file if it is not JSON, an id is not an integer or is refused by Vocabulary, or
  /// a merge is neither "a b" nor ["a", "b"].
  explicit TokenizerFile(const std::filesystem::path& file);

  MemoryMap map;  ///< the file: `merges` are views into it
  Json json;
  Vocabulary vocabulary;
  std::vector<BpeMerge> merges;
  std::deque<std::string> unescaped;  ///< parts of merges that the file has with escapes
};

}  // namespace cola
