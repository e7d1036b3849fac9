#pragma once
#include <span>
#include <string>

#include "theory/theory_experiment.h"

namespace cola::theory {

/// gnuplot script of an SVG with a row of three panels a problem: the average gap against T with its bound
/// and epsilon; the same with the fixed batch; the loss of idealised and practical COLA against gradient
/// steps.
[[nodiscard]] std::string theory_plot_script(std::span<const TheoryResult> results);

}  // namespace cola::theory
