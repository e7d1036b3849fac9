#include "text/sentencepiece_model.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include <bit>
#include <limits>
#include <random>

#include "text/fixtures.h"

namespace cola::test {
namespace {

using Type = SentencePieceModel::Type;

/// A whole number as a protocol buffer writes it.
std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>((value & 0x7F) | 0x80));
  bytes.push_back(static_cast<char>(value));
  return bytes;
}

std::string number(unsigned field, std::uint64_t value) { return varint(field << 3) + varint(value); }

std::string text(unsigned field, const std::string& bytes) {
  return varint((field << 3) | 2) + varint(bytes.size()) + bytes;
}

std::string piece(const std::string& name, float score, std::uint64_t type) {
  std::string bytes = text(1, name) + varint((2 << 3) | 5);
  const auto bits = std::bit_cast<std::uint32_t>(score);
  for (unsigned shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(bits >> shift));
  return text(1, bytes + number(3, type));
}

/// Members that a test changes; the last value of a field counts.
struct Changes {
  std::string pieces = "";
  std::string trainer = "";
  std::string normalizer = "";
};

/// BPE with byte fallback over a, b, c and the space's mark, some pieces with equal scores.
std::string model_bytes(const Changes& changes = {}) {
  std::string bytes = piece("<unk>", 0, Type::unknown) + piece("<s>", 0, Type::control);
  for (int byte = 0; byte < 256; ++byte) bytes += piece(fmt::format("<0x{:02X}>", byte), 0, Type::byte);
  float score = 0;
  for (const char* name : {"ab", "aa",
                           "\u2581"
                           "a",
                           "aaa", "bc", "abc", "ca", "\u2581\u2581", "baa"}) {
    bytes += piece(name, score, Type::normal);
    if (std::string_view(name) != "ab" && std::string_view(name) != "abc") --score;
  }
  for (const char* name : {"a", "b", "c", "\u2581"}) bytes += piece(name, score--, Type::normal);
  return bytes + changes.pieces + text(2, number(3, 2) + number(35, 1) + changes.trainer) +
         text(3, number(4, 0) + changes.normalizer);
}

std::optional<Bpe> bpe_of_bytes(const std::string& bytes) {
  return bpe_of(read_sentencepiece_model(bytes, "test"), "test");
}

TEST(SentencePieceModel, BpeEncodesAsTheLibrary) {
  const std::string bytes = model_bytes();
  const std::optional<Bpe> bpe = bpe_of_bytes(bytes);
  ASSERT_TRUE(bpe);
  sentencepiece::SentencePieceProcessor library;
  ASSERT_TRUE(library.LoadFromSerializedProto(bytes).ok());
  std::mt19937 random(3);
  const std::vector<std::string> characters{"a", "a", "b", "c", "\u2581", "x", "\u00E9"};
  for (int trial = 0; trial < 2000; ++trial) {
    std::string word;
    for (std::size_t i = 0, length = 1 + random() % 90; i < length; ++i)
      word += characters[random() % characters.size()];
    Ids ids;
    bpe->encode("\u2581" + word, ids);
    EXPECT_EQ(ids, library.EncodeAsIds(word)) << word;
  }
}

TEST(SentencePieceModel, OtherModelsAreTheLibrarys) {
  const auto is_plain = [](const Changes& changes) { return bpe_of_bytes(model_bytes(changes)).has_value(); };
  EXPECT_TRUE(is_plain({}));
  EXPECT_FALSE(is_plain({.trainer = number(3, 1)}));   // Unigram
  EXPECT_FALSE(is_plain({.trainer = number(35, 0)}));  // no byte fallback
  EXPECT_FALSE(is_plain({.trainer = number(24, 1)}));  // spaces as suffixes
  EXPECT_FALSE(is_plain({.normalizer = text(2, "charsmap")}));
  EXPECT_FALSE(is_plain({.normalizer = number(4, 1)}));  // removes spaces
  EXPECT_FALSE(is_plain({.normalizer = number(5, 0)}));  // leaves them
  EXPECT_FALSE(is_plain({.pieces = piece("<x>", 0, Type::user_defined)}));
  EXPECT_FALSE(is_plain({.pieces = piece("cc", 0, Type::unused)}));
  EXPECT_FALSE(is_plain({.pieces = piece("ad", 0, Type::normal)}));  // d is no piece
  EXPECT_FALSE(is_plain({.pieces = piece("d", 0, Type::control)}));
  EXPECT_FALSE(is_plain({.pieces = piece("cc", std::numeric_limits<float>::quiet_NaN(), Type::normal)}));
  EXPECT_FALSE(is_plain({.pieces = piece(std::string(2000, 'a'), 0, Type::normal)}));
}

TEST(SentencePieceModel, BrokenMessagesAreRefused) {
  for (const std::string& bytes :
       {std::string("\x0A"), std::string("\x0A\x05zz"), std::string("\x0B"), std::string(12, '\xFF'),
        std::string("\x15\x01"), text(1, "\x0A\x7F"), text(2, "\x18")}) {
    EXPECT_THROW((void)read_sentencepiece_model(bytes, "test"), Error);
  }
}

}  // namespace
}  // namespace cola::test
