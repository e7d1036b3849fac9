#include "theory/frank_wolfe.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "theory/singular_pair.h"

namespace cola::theory {
namespace {

double inner_product(const Matrix& a, const Matrix& b) { return a.cwiseProduct(b).sum(); }

}  // namespace

double step_size(const std::string& problem, const ProblemConstants& constants, std::int64_t iterations) {
  const double step =
      std::sqrt(constants.range) /
      (constants.diameter() * std::sqrt(constants.smoothness * static_cast<double>(iterations)));
  if (!(step <= 1.0)) {
    throw Error(
        fmt::format("{}: the step sqrt(M) / (D sqrt(beta T)) is {:.3g} at T = {}, above 1\n"
                    "take a larger radius than {:.3g}, or T of at least {:.0f}",
                    problem, step, iterations, constants.radius,
                    std::ceil(step * step * static_cast<double>(iterations))));
  }
  return step;
}

double bound_without_epsilon(const ProblemConstants& constants, std::int64_t iterations) {
  return 2.0 * std::sqrt(constants.range * constants.smoothness / static_cast<double>(iterations)) *
         constants.diameter();
}

double frank_wolfe_gap(const Matrix& w, const Matrix& gradient, double radius) {
  return inner_product(gradient, w) + radius * spectral_norm(gradient);
}

Matrix linear_minimizer(const Matrix& gradient, double radius) {
  const SingularPair pair = top_singular_pair(gradient);
  return -radius * pair.u * pair.v.transpose();
}

FrankWolfeRun run_frank_wolfe(const Problem& problem, const FrankWolfeOptions& options,
                              const std::function<void()>& each) {
  const double radius = problem.constants().radius;
  FrankWolfeRun run;
  run.step = step_size(problem.name(), problem.constants(), options.iterations);
  run.w = Matrix::Zero(problem.rows(), problem.cols());
  double gaps = 0.0;
  double epsilons = 0.0;
  for (std::int64_t t = 1; t <= options.iterations; ++t) {
    RandomStream stream = batch_stream(options.seed, options.batch, options.iterations, t);
    const Matrix gradient = problem.gradient(run.w);
    const Matrix v = linear_minimizer(problem.stochastic_gradient(run.w, options.batch, stream), radius);
    const double lowest = -radius * spectral_norm(gradient);  // min over K of <gradient, V>
    gaps += inner_product(gradient, run.w) - lowest;
    epsilons += inner_product(gradient, v) - lowest;
    run.w += run.step * (v - run.w);
    if (options.loss_every > 0 && t % options.loss_every == 0) run.losses.push_back(problem.loss(run.w));
    if (each) each();
  }
  run.average_gap = gaps / static_cast<double>(options.iterations);
  run.average_epsilon = epsilons / static_cast<double>(options.iterations);
  return run;
}

InfimumBounds bound_convex_infimum(const Problem& problem, double radius, double smoothness, double tolerance,
                                   std::int64_t iterations) {
  Matrix w = Matrix::Zero(problem.rows(), problem.cols());
  double loss = problem.loss(w);
  const double start = loss;
  InfimumBounds bounds{-std::numeric_limits<double>::infinity(), loss};
  double local = smoothness;  // curvature along the last directions
  for (std::int64_t t = 0; t < iterations; ++t) {
    const Matrix gradient = problem.gradient(w);
    const Matrix direction = linear_minimizer(gradient, radius) - w;
    const double slope = -inner_product(gradient, direction);
    // The dense spectral norm: a solver's error in V must not raise the lower bound.
    bounds.lower = std::max(bounds.lower, loss - frank_wolfe_gap(w, gradient, radius));
    if (bounds.upper - bounds.lower < tolerance * (start - bounds.upper) || slope <= 0.0) break;
    const double length = direction.squaredNorm();
    // Half the last curvature, doubled until the quadratic it describes lies above the loss.
    for (local = std::max(0.5 * local, 1e-9 * smoothness);; local = std::min(2.0 * local, smoothness)) {
      const double step = std::min(1.0, slope / (local * length));
      const Matrix next = w + step * direction;
      const double reached = problem.loss(next);
      if (reached <= loss - step * slope + 0.5 * step * step * local * length || local >= smoothness) {
        w = next;
        loss = reached;
        break;
      }
    }
    bounds.upper = std::min(bounds.upper, loss);
  }
  return bounds;
}

}  // namespace cola::theory
