#include "eval/text_stream.h"

#include <gtest/gtest.h>

#include "text/utf8.h"

namespace cola {
namespace {

/// A token is a byte; with `strip`, a text loses one leading space, as SentencePiece's does.
class ByteTokenizer : public Tokenizer {
 public:
  explicit ByteTokenizer(bool strip) : strip_(strip) {}
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const override {
    std::vector<std::int32_t> ids;
    for (const char byte : text) ids.push_back(static_cast<unsigned char>(byte));
    return ids;
  }
  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids, bool /*skip_special*/) const override {
    std::string bytes;
    for (const std::int32_t id : ids) bytes.push_back(static_cast<char>(id));
    if (strip_ && bytes.starts_with(' ')) bytes.erase(0, 1);
    return replace_invalid_utf8(bytes);
  }
  [[nodiscard]] std::string piece(std::int32_t id) const override {
    return std::string(1, static_cast<char>(id));
  }
  [[nodiscard]] TokenText text_of(std::int32_t id) const override { return {.bytes = piece(id)}; }
  [[nodiscard]] std::int64_t vocabulary_size() const override { return 256; }
  [[nodiscard]] const SpecialTokens& special() const override { return special_; }

 private:
  bool strip_;
  SpecialTokens special_;
};

std::vector<std::string> pieces(const ByteTokenizer& tokenizer, std::string_view context,
                                std::string_view text) {
  const auto before = tokenizer.encode(context);
  TextStream stream(tokenizer, before);
  std::vector<std::string> all;
  for (const std::int32_t id : tokenizer.encode(text)) all.push_back(stream.add(id));
  all.push_back(stream.finish());
  return all;
}

std::string joined(const std::vector<std::string>& all) {
  std::string text;
  for (const auto& piece : all) text += piece;
  return text;
}

TEST(TextStream, NeverGivesHalfACharacter) {
  const ByteTokenizer tokenizer(false);
  const std::string text = "a\xC3\xA9 \xE2\x82\xAC\xF0\x9F\x98\x80z";  // one of each length
  const auto all = pieces(tokenizer, "x", text);
  EXPECT_EQ(joined(all), text);
  for (const auto& piece : all) EXPECT_NO_THROW(require_utf8(piece, "piece"));
  EXPECT_EQ(all[0], "a");
  EXPECT_EQ(all[1], "");
  EXPECT_EQ(all[2], "\xC3\xA9");
}

TEST(TextStream, GivesWhatIsCutOffAtTheEndAsAReplacement) {
  EXPECT_EQ(joined(pieces(ByteTokenizer(false), "", "a\xE2\x82")), "a\xEF\xBF\xBD");
}

TEST(TextStream, GoesOnAfterInvalidBytes) {
  const auto all = pieces(ByteTokenizer(false), "",
                          "a\x80\xFF"
                          "b\xC3\xA9");
  EXPECT_EQ(joined(all),
            "a\xEF\xBF\xBD\xEF\xBF\xBD"
            "b\xC3\xA9");
  for (const auto& piece : all) EXPECT_NO_THROW(require_utf8(piece, "piece"));
}

TEST(TextStream, KeepsTheSpaceAfterTheContext) {
  EXPECT_EQ(joined(pieces(ByteTokenizer(true), "Once", " upon a")), " upon a");
  EXPECT_EQ(joined(pieces(ByteTokenizer(true), "", " upon a")), "upon a");
}

}  // namespace
}  // namespace cola
