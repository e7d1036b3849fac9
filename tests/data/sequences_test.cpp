#include "data/sequences.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "support/files.h"

namespace cola {
namespace {

/// Text, a chat, weights, labels that are other tokens, one token, none.
std::vector<Example> all_kinds() {
  return {{{1, 5, 6, 7}, {no_label, 5, 6, 7}},
          {{1, 5, 6, 7, 8}, {no_label, 5, no_label, 7, 8}},
          {{1, 5, 6, 7}, {no_label, 5, 6, 7}, {0, 0.5F, 0.5F, 2}},
          {{1, 5, 6}, {no_label, 9, 6}},
          {{1, 5, 6}, {no_label, 9, 6}, {0, 3, 0.25F}},
          {{4}, {no_label}},
          {{}, {}}};
}

void expect_equal(const Example& a, const Example& b) {
  EXPECT_EQ(a.ids, b.ids);
  EXPECT_EQ(a.labels, b.labels);
  EXPECT_EQ(a.weights, b.weights);
}

TEST(Sequences, GivesBackWhatIsPacked) {
  const std::vector<Example> examples = all_kinds();
  const Sequences packed = examples;
  ASSERT_EQ(packed.size(), examples.size());
  for (std::size_t i = 0; i < examples.size(); ++i) {
    expect_equal(packed[i], examples[i]);
    EXPECT_EQ(packed.tokens(i), std::ssize(examples[i].ids));
    EXPECT_EQ(packed.loss_tokens(i), examples[i].loss_tokens());
  }
}

TEST(Sequences, CopiesThatAreAddedToDoNotChangeEachOther) {
  Sequences first = all_kinds();
  Sequences second = first;
  second.push_back({{3, 3}, {3, 3}});
  first.append(all_kinds());
  EXPECT_EQ(second.size(), 8U);
  EXPECT_EQ(first.size(), 14U);
  expect_equal(second[7], {{3, 3}, {3, 3}});
  expect_equal(first[7], all_kinds()[0]);
}

TEST(Sequences, SelectionsOfSelectionsAndWhatFollowsThem) {
  const Sequences all = all_kinds();
  Sequences some = all.select({4, 2, 0}).select({2, 0});
  ASSERT_EQ(some.size(), 2U);
  expect_equal(some[0], all[0]);
  expect_equal(some[1], all[4]);
  some.append(all.select({3}));
  some.push_back({{3, 3}, {3, 3}});
  ASSERT_EQ(some.size(), 4U);
  expect_equal(some[2], all[3]);
  expect_equal(some[3], {{3, 3}, {3, 3}});
  Sequences whole = all;
  whole.append(all.select({1}));
  ASSERT_EQ(whole.size(), 8U);
  expect_equal(whole[6], all[6]);
  expect_equal(whole[7], all[1]);
}

TEST(Sequences, TheDigestIsOfWhatTheyAreNotOfHowTheyAreKept) {
  const std::vector<Example> examples = all_kinds();
  const std::string digest = Sequences(examples).digest();
  Sequences parts;
  for (const Example& example : examples) {
    const Sequences part = std::vector{example};
    parts.append(part.select({0}));
  }
  EXPECT_EQ(parts.digest(), digest);
  for (std::size_t i = 0; i + 1 < examples.size(); ++i) {
    auto changed = examples;
    changed[i].ids.back() += 1;
    EXPECT_NE(Sequences(changed).digest(), digest) << i;
    changed = examples;
    changed[i].labels.back() = changed[i].labels.back() == no_label ? 3 : no_label;
    EXPECT_NE(Sequences(changed).digest(), digest) << i;
    changed = examples;
    std::swap(changed[i], changed[i + 1]);
    EXPECT_NE(Sequences(changed).digest(), digest) << i;
  }
  auto changed = examples;
  changed[2].weights.back() = 3;
  EXPECT_NE(Sequences(changed).digest(), digest);
}

class PackedFiles : public testing::Test {
 protected:
  PackedFiles() {
    SequencePack pack;
    for (const Example& example : all_kinds()) pack.add(example);
    write("words", std::as_bytes(pack.words()));
    write("index", std::as_bytes(pack.index()));
  }
  void write(const std::string& name, std::span<const std::byte> bytes) {
    std::ofstream(folder_ / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  void change(const std::string& name, std::int64_t at, std::uint32_t value) {
    std::fstream file(folder_ / name, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(at);
    file.write(reinterpret_cast<const char*>(&value), sizeof value);
  }
  [[nodiscard]] SequencePack open(std::int64_t vocabulary_size = 10) const {
    return {folder_.path(), MemoryMap(folder_ / "words"), MemoryMap(folder_ / "index"), vocabulary_size};
  }

  test::TemporaryFolder folder_;
};

TEST_F(PackedFiles, AreReadAsTheyWereWritten) {
  const SequencePack pack = open();
  ASSERT_EQ(pack.size(), all_kinds().size());
  for (std::size_t i = 0; i < pack.size(); ++i) expect_equal(pack.at(i), all_kinds()[i]);
}

TEST_F(PackedFiles, DamageIsFoundWhereItIsRead) {
  change("words", 8, 6);  // an id of the first sequence
  EXPECT_THROW((void)open().at(0), Error);
  EXPECT_NO_THROW((void)open().at(1));
}

TEST_F(PackedFiles, IdsOutsideTheVocabularyAndOddSizesAreRefused) {
  EXPECT_THROW((void)open(8).at(1), Error);
  EXPECT_NO_THROW((void)open(8).at(0));
  std::filesystem::resize_file(folder_ / "words", std::filesystem::file_size(folder_ / "words") - 4);
  EXPECT_THROW((void)open(), Error);
}

/// Every word of the index in turn, to every kind of value: an Error or a sequence, never anything else.
TEST_F(PackedFiles, AnyIndexIsReadWithinTheFile) {
  const auto bytes = static_cast<std::int64_t>(std::filesystem::file_size(folder_ / "index"));
  for (std::int64_t at = 0; at < bytes; at += 4) {
    std::uint32_t before = 0;
    std::ifstream(folder_ / "index", std::ios::binary).seekg(at).read(reinterpret_cast<char*>(&before), 4);
    for (const std::uint32_t value : {0U, 1U, 5U, 100U, 0x7fffffffU, 0xffffffffU}) {
      change("index", at, value);
      try {
        const SequencePack pack = open();
        for (std::size_t i = 0; i < pack.size(); ++i) (void)pack.at(i);
      } catch (const Error&) {
        continue;
      }
    }
    change("index", at, before);
  }
}

}  // namespace
}  // namespace cola
