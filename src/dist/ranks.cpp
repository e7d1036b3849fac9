#include "dist/ranks.h"

#include <algorithm>
#include <cstdlib>

namespace cola {

void OneProcess::abort(int exit_status) { std::_Exit(exit_status); }

std::pair<std::int64_t, std::int64_t> share_of(const Ranks& ranks, std::int64_t count) {
  const auto begin_of = [&](std::int64_t rank) {
    return count / ranks.size() * rank + std::min(rank, count % ranks.size());
  };
  return {begin_of(ranks.rank()), begin_of(ranks.rank() + 1)};
}

}  // namespace cola
