#pragma once
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "core/random.h"
#include "data/question.h"

namespace cola::test {

/// A candidate: a prompt and an answer, labels on the answer.
inline Example candidate(const std::vector<std::int32_t>& prompt, const std::vector<std::int32_t>& answer) {
  Example example{prompt, std::vector<std::int32_t>(prompt.size(), no_label)};
  example.ids.insert(example.ids.end(), answer.begin(), answer.end());
  example.labels.insert(example.labels.end(), answer.begin(), answer.end());
  return example;
}

inline Question question(const std::vector<std::int32_t>& prompt,
                         std::initializer_list<std::vector<std::int32_t>> answers, std::int32_t gold = 0) {
  Question result;
  for (const auto& answer : answers) result.candidates.push_back(candidate(prompt, answer));
  result.gold = gold;
  return result;
}

/// Questions of every form, with ids from 1 to `largest` behind the first token 0.
inline std::vector<Question> questions_of_every_form(std::int32_t largest) {
  RandomStream random(9, RandomPurpose::benchmark);
  const auto text = [&](std::size_t count, bool begins = false) {
    std::vector<std::int32_t> ids;
    if (begins) ids.push_back(0);
    while (ids.size() < count)
      ids.push_back(1 + static_cast<std::int32_t>(random.next_below(static_cast<std::uint64_t>(largest))));
    return ids;
  };
  std::vector<Question> result;
  result.push_back(question(text(9, true), {{5}, {6}}, 1));          // one-token answers
  result.push_back(question(text(12, true), {{5}, {6}, {7}}, 2));    // three of them
  result.push_back(question(text(5, true), {text(4), text(2)}, 1));  // of different lengths
  const auto answer = text(3);
  auto longer = answer;
  longer.insert(longer.end(), {3, 4});
  result.push_back(question(text(6, true), {answer, {8}, longer}, 2));  // one begins another
  result.push_back(question(text(6, true), {answer, longer}, 0));       // the common prefix is one of them
  result.push_back(question(text(4, true), {answer, answer}, 0));       // the same twice
  // Cut differently on the left: only the first token in common.
  result.push_back({{candidate({0, 9, 2, 3}, text(3)), candidate({0, 2, 3}, text(5))}, 0});
  result.push_back({{candidate({1, 9, 2}, text(2)), candidate({2, 3}, text(1))}, 1});  // nothing in common
  result.push_back(question(text(7, true), {text(2)}, 0));                             // one candidate
  return result;
}

inline std::vector<const Question*> pointers(const std::vector<Question>& questions) {
  std::vector<const Question*> result;
  for (const Question& question : questions) result.push_back(&question);
  return result;
}

}  // namespace cola::test
