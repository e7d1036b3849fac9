#include "text/utf8.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace cola {
namespace {

TEST(Utf8, ReplacesEachMaximalInvalidSubpart) {
  // The example of Unicode 15, table 3-11: 61 F1 80 80 E1 80 C2 62 80 63 80 BF 64.
  EXPECT_EQ(replace_invalid_utf8("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64"),
            "a\uFFFD\uFFFD\uFFFD"
            "b\uFFFD"
            "c\uFFFD\uFFFD"
            "d");
}

TEST(Utf8, RefusesOverlongSurrogateAndTooLarge) {
  for (const char* text :
       {"\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
    EXPECT_THROW(require_utf8(text, "text"), Error) << text;
  }
  EXPECT_NO_THROW(require_utf8("a\u00E9\u20AC\U0010FFFF\uD7FF", "text"));
}

TEST(Utf8, NamesTheByte) {
  try {
    require_utf8("ab\xFF", "line 3");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("line 3: not valid UTF-8 at byte 2"), std::string::npos)
        << error.what();
  }
}

TEST(Utf8, AppendsAndReadsBack) {
  for (const char32_t code_point : {0x0U, 0x7FU, 0x80U, 0x7FFU, 0x800U, 0xFFFFU, 0x10000U, 0x10FFFFU}) {
    std::string text = "x";
    append_utf8(text, code_point);
    const Utf8Step step = utf8_step(text, 1);
    EXPECT_TRUE(step.valid);
    EXPECT_EQ(step.code_point, code_point);
    EXPECT_EQ(step.length, text.size() - 1);
    EXPECT_EQ(last_code_point(text), 1U);
  }
}

}  // namespace
}  // namespace cola
