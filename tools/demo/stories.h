#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/random.h"

namespace cola::demo {

/// Every word that a story may contain.
[[nodiscard]] const std::vector<std::string>& names();
[[nodiscard]] const std::vector<std::string>& colours();
[[nodiscard]] const std::vector<std::string>& objects();
[[nodiscard]] const std::vector<std::string>& places();
[[nodiscard]] std::vector<std::string> all_words();

/// "tom has the red ball in the park .": indices into the lists of words.
struct Fact {
  std::size_t name, colour, object, place;
};

/// Facts that share no word, so that every question about them has one answer.
[[nodiscard]] std::vector<Fact> draw_facts(RandomStream& random, std::size_t count);

[[nodiscard]] std::string sentence(const Fact& fact);
[[nodiscard]] std::string join(const std::vector<std::string>& sentences);

/// A pre-training text: facts, then questions about them with their answers.
[[nodiscard]] std::string story(RandomStream& random);

/// One item of the task: facts and the question after the colour of one of them.
struct Item {
  std::string prompt;
  std::size_t colour, object;  ///< of the fact that is asked about
};
[[nodiscard]] Item colour_item(RandomStream& random);

/// The task's rule: colours have changed places in pairs; what the facts call `colour` is now called so.
[[nodiscard]] std::size_t renamed(std::size_t colour);

}  // namespace cola::demo
