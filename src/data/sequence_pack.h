#pragma once
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "data/example.h"
#include "io/memory_map.h"

namespace cola {

/// What is known of a packed sequence without reading it. In files as it is in memory.
struct PackedSequence {
  std::uint64_t end = 0;   ///< words of it and of all before it
  std::uint64_t hash = 0;  ///< of its words
  std::uint32_t tokens = 0;
  std::uint32_t loss_tokens = 0;
};

/// Tokenised sequences without the room that vectors take: four bytes a token, and no labels where they are
/// the tokens; weights of tokens without a label become 0. In memory, or in the two files of a token cache's
/// entry, which are mapped: then what is read of them does not stay in memory.
class SequencePack {
 public:
  SequencePack() = default;
  /// `words` and `index` as words() and index() give them, of a model with `vocabulary_size` ids. Throws
  /// Error naming `folder`, theirs, if their sizes disagree.
  SequencePack(const std::filesystem::path& folder, MemoryMap words, MemoryMap index,
               std::int64_t vocabulary_size);

  /// Packs in memory only.
  void add(const Example& example);
  void append(const SequencePack& other);

  [[nodiscard]] std::size_t size() const { return index().size(); }
  /// Throws Error where a file has changed since it was written.
  [[nodiscard]] Example at(std::size_t i) const;
  [[nodiscard]] bool is_in_memory() const { return files_ == nullptr; }
  [[nodiscard]] std::span<const std::uint32_t> words() const;
  [[nodiscard]] std::span<const PackedSequence> index() const;

 private:
  struct Files {
    std::filesystem::path folder;
    MemoryMap words, index;
    std::int64_t vocabulary_size;
    std::atomic<std::size_t> bytes_read;  ///< since the words were last dropped from memory
  };

  [[nodiscard]] Example read_checked(std::span<const std::uint32_t> words,
                                     const PackedSequence& sequence) const;

  std::vector<std::uint32_t> words_;
  std::vector<PackedSequence> index_;
  std::shared_ptr<Files> files_;  ///< in their place
};

}  // namespace cola
