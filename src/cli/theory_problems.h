#pragma once
#include <memory>
#include <string>
#include <vector>

#include "theory/problem.h"

namespace cola {

/// The names that `cola theory --problem` takes.
[[nodiscard]] const std::vector<std::string>& theory_problem_names();

/// A problem of `cola theory`, with the experiment's constants.
struct TheoryProblem {
  std::unique_ptr<theory::Problem> problem;
  std::int64_t batch_per_iteration = 1;
};

/// linear-layer is recorded from the embedded model on the embedded task's text, through a temporary folder.
/// Throws UsageError for an unknown name.
[[nodiscard]] TheoryProblem make_theory_problem(const std::string& name, std::uint64_t seed);

}  // namespace cola
