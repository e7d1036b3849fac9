#include "text/unicode_form.h"

#include <gtest/gtest.h>

#include "text/fixtures.h"
#include "text/utf8.h"

namespace cola::test {
namespace {

std::string utf8(std::u32string_view text) {
  std::string bytes;
  for (const char32_t c : text) append_utf8(bytes, c);
  return bytes;
}

std::string nfc(std::u32string_view text) { return to_unicode_form(UnicodeForm::nfc, utf8(text)); }

TEST(UnicodeForm, MarksAreOrderedAndComposed) {
  EXPECT_EQ(nfc(U""), "");
  EXPECT_EQ(nfc(U"plain"), "plain");
  EXPECT_EQ(nfc(U"e\u0301"), utf8(U"\u00E9"));
  EXPECT_EQ(nfc(U"e\u0302\u0323"), utf8(U"\u1EC7"));
  EXPECT_EQ(nfc(U"q\u0307\u0323"), utf8(U"q\u0323\u0307"));
  EXPECT_EQ(nfc(U"a\u0315\u0300\u05AE"), utf8(U"\u00E0\u05AE\u0315"));  // from a test of UAX 15
  EXPECT_EQ(nfc(U"\u1112\u1161\u11AB \uAC00\u11A8"), utf8(U"\uD55C \uAC01"));
}

TEST(UnicodeForm, SingletonsAndExclusionsAreDecomposed) {
  EXPECT_EQ(nfc(U"\u212B\u2126\u0344"), utf8(U"\u00C5\u03A9\u0308\u0301"));
  EXPECT_EQ(nfc(U"\u0958\uFB1D"), utf8(U"\u0915\u093C\u05D9\u05B4"));
}

TEST(UnicodeForm, MarksSinceUnicode9AreStarters) {
  EXPECT_EQ(nfc(U"a\u0316\u0301"), utf8(U"\u00E1\u0316"));   // class 220, which does not block 230
  EXPECT_EQ(nfc(U"a\u08D3\u0301"), utf8(U"a\u08D3\u0301"));  // class 220, too, but of Unicode 11
  EXPECT_EQ(nfc(U"a\u0301\u0898\u0323"), utf8(U"\u00E1\u0898\u0323"));
  EXPECT_EQ(nfc(U"\U00011935\U00011930"), utf8(U"\U00011935\U00011930"));  // of 13: a pair that composes
  EXPECT_EQ(nfc(U"\U00011938"), utf8(U"\U00011938"));
  EXPECT_EQ(to_unicode_form(UnicodeForm::nfd, utf8(U"\U00011938\u00E9")), utf8(U"\U00011938e\u0301"));
}

TEST(UnicodeForm, OtherForms) {
  const std::string text = utf8(U"\u00E9\uFB01\u00BD");
  EXPECT_EQ(to_unicode_form(UnicodeForm::nfd, text), utf8(U"e\u0301\uFB01\u00BD"));
  EXPECT_EQ(to_unicode_form(UnicodeForm::nfkc, text), utf8(U"\u00E9fi1\u20442"));
  EXPECT_EQ(to_unicode_form(UnicodeForm::nfkd, text), utf8(U"e\u0301fi1\u20442"));
}

TEST(UnicodeForm, ATokenizerNormalisesBetweenAddedTokens) {
  const Folder folder;
  Json json = small_byte_level_json();
  json["normalizer"] = {{"type", "NFC"}};
  folder.write("tokenizer.json", json);
  const auto tokenizer = open_tokenizer(folder.path());
  const Ids composed{byte_id('\xC3'), byte_id('\xA9')};
  EXPECT_EQ(tokenizer->encode(utf8(U"e\u0301")), composed);
  const Ids parted = tokenizer->encode(utf8(U"e<|other|>\u0301"));
  EXPECT_EQ(parted, (Ids{byte_id('e'), 3, byte_id('\xCC'), byte_id('\x81')}));
}

}  // namespace
}  // namespace cola::test
