#include "tasks/metrics.h"

#include <gtest/gtest.h>

namespace cola {
namespace {

using Strings = std::vector<std::string>;

struct Case {
  const char* prediction;
  const char* gold;
  double f1;
};

// By hand: c common words of p predicted and g gold give F1 = 2c / (p + g).
constexpr Case cases[] = {
    {"Paris", "Paris", 1.0},
    {"paris", "PARIS", 1.0},                    // case
    {"Paris.", "\"Paris\"", 1.0},               // punctuation
    {"the Eiffel Tower", "Eiffel Tower", 1.0},  // article
    {"a  an the cat", "cat", 1.0},              // articles, white space
    {"a", "the", 0.0},                          // nothing is left of either
    {"", "", 0.0},
    {"", "cat", 0.0},
    {"cat", "", 0.0},
    {"...", "cat", 0.0},
    {"Theatre", "atre", 0.0},  // no article inside a word
    {"dog", "cat", 0.0},
    {"the big cat", "big dog", 2.0 * 1 / 4},
    {"red red blue", "red", 2.0 * 1 / 4},  // a word counts as often as both have it
    {"red red blue", "red red", 2.0 * 2 / 5},
    {"one two three four", "two", 2.0 * 1 / 5},
    {"in New York City", "New York", 2.0 * 2 / 6},
    {"state-of-the-art", "stateoftheart", 1.0},  // punctuation goes first, before words are told apart
    {"U.S.", "us", 1.0},
    {"the–cat", "–cat", 1.0},               // an en dash is no ASCII punctuation, but ends a word
    {"ÉCOLE Ümläut", "école ümläut", 1.0},  // letters of any script
    {"МОСКВА", "москва", 1.0},
    {"new\u00A0york", "new york", 1.0},  // no-break space
    {"naïve", "naive", 0.0},
    {" 24 \n", "24", 1.0},
    {"24 points", "24", 2.0 * 1 / 3},
    {"24,000", "24000", 1.0},
};

TEST(Metrics, TokenF1) {
  for (const Case& c : cases) {
    EXPECT_DOUBLE_EQ(token_f1(c.prediction, c.gold), c.f1) << c.prediction << " / " << c.gold;
    EXPECT_DOUBLE_EQ(token_f1(c.gold, c.prediction), c.f1) << c.prediction << " / " << c.gold;
  }
}

TEST(Metrics, InvalidBytesAreTaken) { EXPECT_DOUBLE_EQ(token_f1("cat \xFF", "cat"), 2.0 * 1 / 3); }

TEST(Metrics, BestOverTheGoldStrings) {
  EXPECT_DOUBLE_EQ(best_token_f1("the big cat", Strings{"dog", "cat", "a big cat"}), 1.0);
  EXPECT_DOUBLE_EQ(best_token_f1("big cat", Strings{"dog", "cat"}), 2.0 / 3);
}

TEST(Metrics, NoAnswerMustMatchWhole) {
  EXPECT_DOUBLE_EQ(best_token_f1("cannotanswer", Strings{"CANNOTANSWER", "cat"}), 1.0);
  EXPECT_DOUBLE_EQ(best_token_f1("cat", Strings{"CANNOTANSWER", "cat"}), 0.0);
  EXPECT_DOUBLE_EQ(best_token_f1("no answer here", Strings{"no answer"}), 0.0);
  EXPECT_DOUBLE_EQ(best_token_f1("No answer.", Strings{"no answer"}), 1.0);
  EXPECT_DOUBLE_EQ(best_token_f1("answer", Strings{"cat", "no answer"}),
                   2.0 / 3);  // the rule is of the first
}

TEST(Metrics, ScoresOfExamples) {
  TaskItem item;
  item.candidate_names = {"Bo", "Bo Li", "Cy"};
  item.correct = {1, 2};
  EXPECT_EQ(score_candidate(TaskMetric::accuracy, item, 0), 0.0);
  EXPECT_EQ(score_candidate(TaskMetric::accuracy, item, 1), 1.0);
  EXPECT_EQ(score_candidate(TaskMetric::accuracy, item, 2), 1.0);
  EXPECT_DOUBLE_EQ(score_candidate(TaskMetric::f1, item, 0), 2.0 / 3);
  item.answers = {"the cat", "dog"};
  EXPECT_EQ(score_text(TaskMetric::accuracy, item, "Cat."), 1.0);
  EXPECT_EQ(score_text(TaskMetric::accuracy, item, "big cat"), 0.0);
  EXPECT_DOUBLE_EQ(score_text(TaskMetric::f1, item, "big dog"), 2.0 / 3);
}

}  // namespace
}  // namespace cola
