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
  std::size_t name = 0, colour = 0, object = 0, place = 0;
};

[[nodiscard]] Fact draw_fact(RandomStream& random);

/// A pre-training text: a fact, then questions about it with their answers.
[[nodiscard]] std::string story(RandomStream& random);

/// The prompt of one item of the task: the fact, then what colour its object is.
[[nodiscard]] std::string colour_prompt(const Fact& fact);

/// The task's rule: colours have changed places in pairs; what the facts call `colour` is now called so.
[[nodiscard]] std::size_t renamed(std::size_t colour);

}  // namespace cola::demo
