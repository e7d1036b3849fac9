#include "chain/knot_plan.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace cola {
namespace {

using Steps = std::vector<std::int64_t>;

std::string refusal(const std::string& knots) {
  try {
    (void)parse_knots(knots, 10, 50);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(ParseKnots, TakesStepsAndEpochs) {
  EXPECT_EQ(parse_knots("3ep", 10, 50), (Steps{30}));
  EXPECT_EQ(parse_knots("12,24", 10, 50), (Steps{12, 24}));
  EXPECT_EQ(parse_knots("2ep,4ep", 10, 50), (Steps{20, 40}));
  EXPECT_EQ(parse_knots("5, 2ep ,49", 10, 50), (Steps{5, 20, 49}));
  EXPECT_EQ(parse_knots("1.5ep", 10, 50), (Steps{15}));
  EXPECT_EQ(parse_knots("0.33ep", 10, 50), (Steps{3}));
}

TEST(ParseKnots, NamesTheEntryItRefuses) {
  for (const char* malformed :
       {"", ",", "5,", "x", "3e", "ep", "-ep", "1e1ep", "3.5", "0x5", "auto", "5 6", "nanep"}) {
    EXPECT_NE(refusal(malformed).find("neither steps nor epochs"), std::string::npos)
        << malformed << refusal(malformed);
  }
  EXPECT_NE(refusal("5,7x").find("'7x'"), std::string::npos);
  for (const char* outside :
       {"0", "50", "51", "-3", "0ep", "5ep", "0.01ep", "-1ep", "99999999999999999999ep"}) {
    EXPECT_NE(refusal(outside).find("excluded"), std::string::npos) << outside << refusal(outside);
  }
  EXPECT_NE(refusal("20,20").find("does not come after"), std::string::npos);
  EXPECT_NE(refusal("3ep,25").find("'25' (step 25) does not come after the knot at step 30"),
            std::string::npos);
}

TEST(EvenKnots, WholeEpochsWithTheRemainderInEarlierLinks) {
  EXPECT_EQ(even_knots(1, 10, 50), Steps{});
  EXPECT_EQ(even_knots(2, 10, 50), (Steps{30}));
  EXPECT_EQ(even_knots(3, 10, 50), (Steps{20, 40}));
  EXPECT_EQ(even_knots(5, 10, 50), (Steps{10, 20, 30, 40}));
}

TEST(EvenKnots, EqualStepsOtherwise) {
  EXPECT_EQ(even_knots(6, 10, 50), (Steps{9, 18, 26, 34, 42}));  // more links than epochs
  EXPECT_EQ(even_knots(2, 10, 45), (Steps{23}));                 // not whole epochs
  EXPECT_EQ(even_knots(2, 100, 45), (Steps{23}));                // less than an epoch
  EXPECT_EQ(even_knots(3, 10, 3), (Steps{1, 2}));
}

TEST(EvenKnots, RefusesImpossibleLinks) {
  EXPECT_THROW((void)even_knots(0, 10, 50), UsageError);
  EXPECT_THROW((void)even_knots(-1, 10, 50), UsageError);
  EXPECT_THROW((void)even_knots(51, 10, 50), UsageError);
}

}  // namespace
}  // namespace cola
