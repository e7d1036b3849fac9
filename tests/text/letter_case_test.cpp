#include "text/letter_case.h"

#include <gtest/gtest.h>

namespace cola {
namespace {

TEST(LetterCase, ChangesLettersOfAnyScriptAndNothingElse) {
  EXPECT_EQ(lower_case("The CAT, 3 \\L$0 ÄÖÜ ÉCOLE ΑΒΓ МОСКВА"), "the cat, 3 \\l$0 äöü école αβγ москва");
  EXPECT_EQ(upper_case("does ärger έ"), "DOES ÄRGER Έ");
  EXPECT_EQ(lower_case(""), "");
  EXPECT_EQ(upper_case("1 + 1"), "1 + 1");
}

TEST(LetterCase, KeepsALetterWithoutAnOtherCase) { EXPECT_EQ(upper_case("漢字ª"), "漢字ª"); }

TEST(LetterCase, IsThatOfUnicodesSpecialCases) {
  EXPECT_EQ(lower_case("ΟΔΟΣ ΟΔΟΣΑ Σ ΑΣ. ΑΣ'Α"), "οδος οδοσα σ ας. ασ'α");  // final sigma
  EXPECT_EQ(lower_case("İ"), "i\u0307");
  EXPECT_EQ(lower_case("Ⅳ Ⓐ"), "ⅳ ⓐ");  // no letters, but they have case
  EXPECT_EQ(upper_case("ß ﬁ"), "SS FI");
}

TEST(LetterCase, TextMayGrow) {  // U+023A has two bytes, its lower case U+2C65 three
  std::string upper;
  std::string lower;
  for (int i = 0; i < 100; ++i) upper += "\u023A";
  for (int i = 0; i < 100; ++i) lower += "\u2C65";
  EXPECT_EQ(lower_case(upper), lower);
}

TEST(LetterCase, InvalidBytesBecomeReplacementCharacters) { EXPECT_EQ(lower_case("A\xFF"), "a\uFFFD"); }

}  // namespace
}  // namespace cola
