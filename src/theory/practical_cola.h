#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "theory/problem.h"

namespace cola::theory {

struct PracticalColaOptions {
  std::int64_t steps = 1000;  ///< of SGD, over all links; a multiple of `links` and of `losses`
  std::int64_t links = 10;    ///< 1: plain LoRA
  Eigen::Index rank = 1;      ///< of a link
  std::int64_t batch = 1;     ///< examples in a stochastic gradient
  std::int64_t loss_every = 100;
  std::uint64_t seed = 42;
};

struct PracticalColaRun {
  double learning_rate = 0.0;
  std::vector<double> losses;  ///< L(W) after every loss_every steps; infinite from where the run diverged
  double final_gap = 0.0;      ///< Frank-Wolfe gap over K at the end: may be negative where W is outside K
  double final_nuclear_norm = 0.0;
};

/// Algorithm 2 on one matrix: W = sum of tied B A + the live B A, trained by SGD on A and B at once, the rate
/// falling linearly to zero over the whole run. At a knot the live link is tied and a new one begins: A of
/// U(-1/sqrt(k), 1/sqrt(k)), B = 0. Nothing keeps W in K.
[[nodiscard]] PracticalColaRun run_practical_cola(const Problem& problem, const PracticalColaOptions& options,
                                                  double learning_rate,
                                                  const std::function<void()>& each = {});

/// The run with the least final loss of those with the given learning rates (at least one).
[[nodiscard]] PracticalColaRun best_practical_cola(const Problem& problem,
                                                   const PracticalColaOptions& options,
                                                   std::span<const double> learning_rates,
                                                   const std::function<void()>& each = {});

}  // namespace cola::theory
