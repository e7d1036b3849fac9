#include "eval/stop_text.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace cola {
namespace {

/// The whole of what comes out, piece by piece.
std::string through(StopText& stop, const std::vector<std::string>& pieces) {
  std::string text;
  for (const auto& piece : pieces) text += stop.add(piece);
  return text + stop.finish();
}

TEST(StopText, EndsBeforeTheFirstStringAcrossPieces) {
  StopText stop({"\nUser:", "END"});
  EXPECT_EQ(through(stop, {"Hello.", "\n", "Us", "er", ": hi END"}), "Hello.");
  EXPECT_EQ(stop.found(), "\nUser:");
}

TEST(StopText, GivesBackWhatOnlyBeganAString) {
  StopText stop({"aab"});
  EXPECT_EQ(stop.add("xa"), "x");
  EXPECT_EQ(stop.add("a"), "");
  EXPECT_EQ(stop.add("a"), "a");  // "aa" may still begin one
  EXPECT_EQ(stop.finish(), "aa");
  EXPECT_EQ(stop.found(), "");
}

TEST(StopText, TakesTheEarliestOfSeveral) {
  StopText stop({"later", "l"});
  EXPECT_EQ(through(stop, {"a later"}), "a ");
  EXPECT_THROW(StopText({""}), UsageError);
}

TEST(StopText, WithoutStringsPassesEverything) {
  StopText stop({});
  EXPECT_EQ(stop.add("a"), "a");
  EXPECT_EQ(stop.finish(), "");
}

}  // namespace
}  // namespace cola
