#include "text/bpe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <random>

#include "core/error.h"

namespace cola {
namespace {

using Ids = std::vector<std::int32_t>;

Vocabulary letters_and(const std::vector<BpeMerge>& merges) {
  Vocabulary vocabulary;
  std::int64_t id = 0;
  for (const char* letter : {"a", "b", "c", "d"}) vocabulary.add(letter, id++, "test");
  for (const BpeMerge& merge : merges) {
    const std::string merged = std::string(merge.first).append(merge.second);
    if (!vocabulary.find(merged)) vocabulary.add(merged, id++, "test");
  }
  return vocabulary;
}

/// The definition, in quadratic time: merge the leftmost pair of least rank until none is left.
std::vector<std::string> merged_slowly(const std::string& word, const std::vector<BpeMerge>& merges) {
  std::map<BpeMerge, std::size_t> ranks;
  for (std::size_t i = 0; i < merges.size(); ++i) ranks[merges[i]] = i;
  std::vector<std::string> parts;
  for (const char letter : word) parts.emplace_back(1, letter);
  while (true) {
    std::size_t best = merges.size();
    std::size_t position = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto rank = ranks.find({parts[i], parts[i + 1]});
      if (rank != ranks.end() && rank->second < best) {
        best = rank->second;
        position = i;
      }
    }
    if (best == merges.size()) return parts;
    parts[position] += parts[position + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(position) + 1);
  }
}

TEST(Bpe, MergesAsTheDefinitionDoes) {
  std::mt19937 random(7);
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<BpeMerge> merges;
    std::deque<std::string> tokens{"a", "b", "c", "d"};  // what the merges are views into
    for (int i = 0; i < 12; ++i) {
      const BpeMerge merge{tokens[random() % tokens.size()], tokens[random() % tokens.size()]};
      if (std::ranges::find(merges, merge) != merges.end()) continue;
      tokens.push_back(std::string(merge.first).append(merge.second));
      merges.push_back(merge);
    }
    const Bpe bpe(letters_and(merges), merges, {}, "test");
    std::string word;
    for (std::size_t i = 0, length = random() % 120; i < length; ++i)
      word += static_cast<char>('a' + random() % 4);
    Ids ids;
    bpe.encode(word, ids);
    std::vector<std::string> pieces;
    for (const std::int32_t id : ids) pieces.push_back(*bpe.vocabulary().token(id));
    EXPECT_EQ(pieces, merged_slowly(word, merges)) << word;
  }
}

TEST(Bpe, LongWordIsNotQuadratic) {
  const std::vector<BpeMerge> merges{{"a", "a"}, {"aa", "aa"}, {"b", "a"}, {"aaaa", "aaaa"}};
  const Bpe bpe(letters_and(merges), merges, {}, "test");
  Ids ids;
  const auto start = std::chrono::steady_clock::now();
  bpe.encode(std::string(1 << 20, 'a'), ids);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(ids.size(), (1U << 20) / 8);
  // About 0.2 s here; a quadratic loop takes minutes. The room is for sanitizers and busy machines.
  EXPECT_LT(seconds.count(), 20.0);
}

TEST(Bpe, IgnoreMergesTakesAWholeWord) {
  Vocabulary vocabulary = letters_and({});
  vocabulary.add("abc", 10, "test");
  Ids ids;
  Bpe(vocabulary, {}, {.ignore_merges = true}, "test").encode("abc", ids);
  Bpe(vocabulary, {}, {.ignore_merges = false}, "test").encode("abc", ids);
  EXPECT_EQ(ids, (Ids{10, 0, 1, 2}));
}

TEST(Bpe, UnknownCharacters) {
  Vocabulary vocabulary = letters_and({});
  vocabulary.add("?", 9, "test");
  const auto encode = [&](const BpeOptions& options) {
    Ids ids;
    Bpe(vocabulary, {}, options, "test")
        .encode(
            "ax\u00E9"
            "bx",
            ids);
    return ids;
  };
  EXPECT_EQ(encode({}), (Ids{0, 1}));
  EXPECT_EQ(encode({.unk_token = "?"}), (Ids{0, 9, 9, 1, 9}));
  EXPECT_EQ(encode({.unk_token = "?", .fuse_unk = true}), (Ids{0, 9, 1, 9}));
  // \u00E9 is C3 A9; x has no byte token and stays unknown.
  vocabulary.add("<0xC3>", 20, "test");
  vocabulary.add("<0xA9>", 21, "test");
  EXPECT_EQ(encode({.unk_token = "?", .fuse_unk = true, .byte_fallback = true}), (Ids{0, 9, 20, 21, 1, 9}));
}

TEST(Bpe, RefusesMergesOfUnknownTokens) {
  const std::vector<BpeMerge> unknown_part{{"a", "z"}};
  EXPECT_THROW(Bpe(letters_and({}), unknown_part, {}, "test"), Error);
  const std::vector<BpeMerge> unknown_result{{"a", "b"}};
  EXPECT_THROW(Bpe(letters_and({}), unknown_result, {}, "test"), Error);
  EXPECT_THROW(Bpe(letters_and({}), {}, {.unk_token = "?"}, "test"), Error);
}

TEST(Vocabulary, RefusesBadIds) {
  Vocabulary vocabulary;
  vocabulary.add("a", 5, "test");
  EXPECT_EQ(vocabulary.size(), 6);
  EXPECT_THROW(vocabulary.add("b", 5, "test"), Error);
  EXPECT_THROW(vocabulary.add("a", 6, "test"), Error);
  EXPECT_THROW(vocabulary.add("c", -1, "test"), Error);
  EXPECT_THROW(vocabulary.add("d", largest_token_id + 1, "test"), Error);
}

}  // namespace
}  // namespace cola
