#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "theory/problem.h"

namespace cola::theory {

/// eta = sqrt(M) / (D sqrt(beta T)) of Theorem 4.1. Throws Error if it is above 1: Algorithm 1 has no such
/// step.
[[nodiscard]] double step_size(const std::string& problem, const ProblemConstants& constants,
                               std::int64_t iterations);

/// 2 sqrt(M beta) D / sqrt(T): the theorem's bound on the average gap, without epsilon.
[[nodiscard]] double bound_without_epsilon(const ProblemConstants& constants, std::int64_t iterations);

/// max over V in K of <gradient, W - V> = <gradient, W> + R |gradient|_2.
[[nodiscard]] double frank_wolfe_gap(const Matrix& w, const Matrix& gradient, double radius);

/// argmin over V in K of <gradient, V> = -R u1 v1^T.
[[nodiscard]] Matrix linear_minimizer(const Matrix& gradient, double radius);

struct FrankWolfeOptions {
  std::int64_t iterations = 0;  ///< T
  std::int64_t batch = 1;       ///< examples in a stochastic gradient
  std::uint64_t seed = 42;
  std::int64_t loss_every = 0;  ///< steps between two entries of `losses`; 0: none
};

struct FrankWolfeRun {
  double step = 0.0;             ///< eta
  double average_gap = 0.0;      ///< of g_t, t = 1 .. T, with full gradients
  double average_epsilon = 0.0;  ///< of <grad, V_t> - min <grad, V>, with full gradients
  std::vector<double> losses;    ///< L(W_t+1) after every loss_every steps
  Matrix w;                      ///< the last iterate
};

/// Algorithm 1 from W_1 = 0 with the constant step of step_size. `each` is called after every step.
[[nodiscard]] FrankWolfeRun run_frank_wolfe(const Problem& problem, const FrankWolfeOptions& options,
                                            const std::function<void()>& each = {});

/// Bounds of the infimum over K of a convex problem, from full-gradient Frank-Wolfe with adaptive steps
/// (Pedregosa et al., 2020): of all iterates the least L(W), and the largest L(W) - gap(W), which no point of
/// K is below. Stops when they differ by less than `tolerance` (L(0) - upper), or after `iterations`.
struct InfimumBounds {
  double lower = 0.0, upper = 0.0;
};
[[nodiscard]] InfimumBounds bound_convex_infimum(const Problem& problem, double radius, double smoothness,
                                                 double tolerance, std::int64_t iterations);

}  // namespace cola::theory
