#pragma once
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "dist/ranks.h"

namespace cola {

/// The ranks that share what this one runs on, itself included.
struct Neighbours {
  std::vector<std::size_t> on_machine;  ///< in their order
  int on_processors = 1;                ///< of them, those that the launcher bound to the same processors
};
/// Collective.
[[nodiscard]] Neighbours find_neighbours(Ranks& ranks);

/// Collective: throws Error, on all ranks alike, if a fact of one is not that of rank 0. A fact is its name
/// and its value, both without line breaks.
void require_alike(Ranks& ranks, const std::vector<std::pair<std::string, std::string>>& facts);

/// Collective: returns when all ranks have come here.
void wait_for_all(Ranks& ranks);

}  // namespace cola
