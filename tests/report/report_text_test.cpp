#include "report/report_text.h"

#include <gtest/gtest.h>

namespace cola {
namespace {

using Lines = std::vector<std::string>;

TEST(HtmlEscaped, LeavesNoMarkupAndNoInvalidBytes) {
  EXPECT_EQ(html_escaped("<a href=\"x\">'&'</a>"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
  EXPECT_EQ(html_escaped("a\xFFz\x01"), "a\uFFFDz\uFFFD");
}

TEST(ShownText, IsWholeInAnyScriptWithoutControlCharacters) {
  const std::string name(300, 'n');
  EXPECT_EQ(shown_text(name), name);
  EXPECT_EQ(shown_text("метод 方法 méthode"), "метод 方法 méthode");
  EXPECT_EQ(shown_text("a\nb\x1b\xff"), "a\uFFFDb\uFFFD\uFFFD");
}

TEST(ShownText, SaysThatItIsCutAndNeverWithinACharacter) {
  std::string name = "n";
  for (int i = 0; i < 500; ++i) name += "é";
  const std::string shown = shown_text(name);
  EXPECT_TRUE(shown.ends_with("é… (1001 bytes)")) << shown;
  EXPECT_EQ(shown.find("\uFFFD"), std::string::npos);
}

TEST(Wrapped, BreaksBetweenWordsAndLeavesNothingOut) {
  EXPECT_EQ(wrapped("cola ranks 8,6", 100), Lines{"cola ranks 8,6"});
  EXPECT_EQ(wrapped("cola ranks 8,6", 7), (Lines{"cola ranks", "8,6"}));
  EXPECT_EQ(wrapped("", 8), Lines{""});
  for (const char* const text :
       {"aaaaaaaaaaaaaaaaaaaaaaaaa", "длинноесловобезпробелов", "日本語の方法の名前", "a-b_c/d,e-f_g/h,i"}) {
    std::string joined;
    const Lines lines = wrapped(text, 5);
    for (const std::string& line : lines) {
      EXPECT_LE(text_width(line), 5.0) << line;
      joined += line;
    }
    EXPECT_EQ(joined, text);
    EXPECT_GT(lines.size(), 1U) << text;
  }
}

TEST(Wrapped, EndsWhereACharacterIsWiderThanTheLine) {
  EXPECT_EQ(wrapped("abc", 0.1), (Lines{"a", "b", "c"}));
}

TEST(PText, IsNeverZero) {
  EXPECT_EQ(p_text(1e-18), "< 0.0001");
  EXPECT_EQ(p_text(0.0), "< 0.0001");
  EXPECT_EQ(p_text(0.01234), "0.0123");
  EXPECT_EQ(p_text(1.0), "1.0000");
  EXPECT_EQ(p_text(std::nullopt), nothing);
}

}  // namespace
}  // namespace cola
