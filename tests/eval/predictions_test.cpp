#include "eval/predictions.h"

#include <gtest/gtest.h>

namespace cola {
namespace {

TEST(Predictions, AnObjectALine) {
  const std::vector<TaskPrediction> predictions{{"7", "True", {"False"}, 0.0, {-0.5, -1.25}, {1, 2}},
                                                {"8", "a \"cat\"\n\xff", {"a cat", "cat"}, 0.5, {}, {}}};
  EXPECT_EQ(
      predictions_text(predictions),
      R"({"gold":["False"],"id":"7","prediction":"True","score":0.0,"scores":[-0.5,-1.25],"tokens":[1,2]})"
      "\n"
      R"({"gold":["a cat","cat"],"id":"8","prediction":"a \"cat\"\n)"
      "\xEF\xBF\xBD"
      R"(","score":0.5})"
      "\n");
  EXPECT_EQ(predictions_text({}), "");
}

}  // namespace
}  // namespace cola
