#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/flat_map.h"
#include "text/vocabulary.h"

namespace cola {

struct BpeOptions {
  std::optional<std::string> unk_token =
      std::nullopt;            ///< without one, a character that is not in the vocabulary is left out
  bool fuse_unk = false;       ///< consecutive unknown characters become one unk
  bool byte_fallback = false;  ///< an unknown character becomes <0xXX> tokens where the vocabulary has them
  bool ignore_merges = false;  ///< a word that is itself a token is not split (Llama-3)
};

/// Views that need only live while a Bpe is made.
using BpeMerge = std::pair<std::string_view, std::string_view>;

/// Byte-pair encoding of one word: its characters are merged pairwise, the earliest merge of the list first,
/// leftmost first (Sennrich et al. 2016). Characters are Unicode's; byte-level tokenizers map bytes to
/// characters beforehand.
class Bpe {
 public:
  /// `ranks`: one for each merge, below 2^32 - 1, where the list is not their order; of merges of one rank
  /// the leftmost in the word comes first. Throws Error beginning with `where` if a merge names a token that
  /// the vocabulary lacks, or unk_token does.
  Bpe(Vocabulary vocabulary, std::span<const BpeMerge> merges, const BpeOptions& options,
      const std::string& where, std::span<const std::uint32_t> ranks = {});

  /// Appends the ids of `word`, which must be valid UTF-8. O(n log n).
  void encode(std::string_view word, std::vector<std::int32_t>& ids) const;

  [[nodiscard]] const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  struct Merge {
    std::uint32_t rank = 0;
    std::int32_t id = 0;
  };

  void add_merges(std::span<const BpeMerge> merges, std::span<const std::uint32_t> ranks,
                  const std::string& where);
  void add_join(std::string_view left, std::string_view right);
  [[nodiscard]] bool append_bytes(std::string_view character, std::vector<std::int32_t>& ids) const;
  /// Whether a merge may join what ends in the one character with what begins with the other.
  [[nodiscard]] bool may_join(char32_t last, char32_t first) const;
  /// Merges `ids` from `begin` on.
  void merge(std::vector<std::int32_t>& ids, std::size_t begin) const;
  void merge_few(std::vector<std::int32_t>& ids, std::size_t begin) const;
  void merge_many(std::vector<std::int32_t>& ids, std::size_t begin) const;
  [[nodiscard]] const Merge* find_merge(std::int32_t left, std::int32_t right) const;

  Vocabulary vocabulary_;
  BpeOptions options_;
  std::optional<std::int32_t> unk_;
  FlatMap<Merge> merges_;                                 // by both ids
  std::vector<std::uint64_t> joins_;                      // a bit by the hash of two characters: see may_join
  FlatMap<std::int32_t> characters_;                      // tokens of one character
  std::vector<std::optional<std::int32_t>> byte_tokens_;  // [256] with byte_fallback, else empty
};

}  // namespace cola
