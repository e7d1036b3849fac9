#include "theory/theory_experiment.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "theory/frank_wolfe.h"
#include "theory/singular_pair.h"

namespace cola::theory {
namespace {

// Learning rates tried for each practical run, in units of 1 / beta.
constexpr std::array<double, 7> learning_rates{0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0};

std::int64_t kinship_steps(const TheoryOptions& options) {
  return std::min<std::int64_t>(PracticalColaOptions{}.steps, options.iterations.back());
}

TheoryRow run_one(const Problem& problem, const TheoryOptions& options, std::int64_t iterations,
                  const std::function<void()>& each) {
  TheoryRow row;
  row.iterations = iterations;
  row.batch = options.batch_per_iteration * iterations;
  row.bound_without_epsilon = bound_without_epsilon(problem.constants(), iterations);
  FrankWolfeOptions run_options{.iterations = iterations, .batch = row.batch, .seed = options.seed};
  const FrankWolfeRun run = run_frank_wolfe(problem, run_options, each);
  row.step = run.step;
  row.average_gap = run.average_gap;
  row.epsilon = run.average_epsilon;
  run_options.batch = options.batch_per_iteration * fixed_batch_iterations;
  const FrankWolfeRun fixed = run_frank_wolfe(problem, run_options, each);
  row.fixed_batch_gap = fixed.average_gap;
  row.fixed_batch_epsilon = fixed.average_epsilon;
  return row;
}

Kinship run_kinship(const Problem& problem, const TheoryOptions& options, const std::function<void()>& each) {
  const ProblemConstants& constants = problem.constants();
  Kinship kinship;
  kinship.options.steps = kinship_steps(options);
  kinship.options.loss_every = kinship.options.steps / 10;
  kinship.options.batch = options.batch_per_iteration * kinship.options.steps;
  kinship.options.seed = options.seed;
  FrankWolfeRun ideal = run_frank_wolfe(problem,
                                        {.iterations = kinship.options.steps,
                                         .batch = kinship.options.batch,
                                         .seed = options.seed,
                                         .loss_every = kinship.options.loss_every},
                                        each);
  kinship.idealised = std::move(ideal.losses);
  kinship.idealised_gap = frank_wolfe_gap(ideal.w, problem.gradient(ideal.w), constants.radius);
  kinship.idealised_nuclear_norm = nuclear_norm(ideal.w);
  auto rates = learning_rates;
  for (double& rate : rates) rate /= constants.smoothness;
  kinship.chain = best_practical_cola(problem, kinship.options, rates, each);
  PracticalColaOptions single = kinship.options;
  single.links = 1;
  kinship.single = best_practical_cola(problem, single, rates, each);
  return kinship;
}

}  // namespace

std::optional<double> log_log_slope(std::span<const std::int64_t> x, std::span<const double> y,
                                    std::int64_t from) {
  double n = 0.0, sx = 0.0, sy = 0.0, sxx = 0.0, sxy = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i] < from) continue;
    const double lx = std::log(static_cast<double>(x[i]));
    const double ly = std::log(y[i]);
    n += 1.0;
    sx += lx;
    sy += ly;
    sxx += lx * lx;
    sxy += lx * ly;
  }
  if (n < 2.0) return std::nullopt;
  return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

std::int64_t theory_steps(const TheoryOptions& options) {
  std::int64_t steps = 0;
  for (const std::int64_t iterations : options.iterations) steps += 2 * iterations;
  return steps + kinship_steps(options) * (1 + 2 * static_cast<std::int64_t>(learning_rates.size()));
}

TheoryResult run_theory(const Problem& problem, const TheoryOptions& options,
                        const std::function<void()>& each) {
  TheoryResult result;
  result.problem = problem.name();
  result.constants = problem.constants();
  result.rows = problem.rows();
  result.cols = problem.cols();
  result.fixed_batch = options.batch_per_iteration * fixed_batch_iterations;
  for (const std::int64_t iterations : options.iterations)
    (void)step_size(result.problem, result.constants, iterations);
  std::vector<double> gaps;
  for (const std::int64_t iterations : options.iterations) {
    result.runs.push_back(run_one(problem, options, iterations, each));
    gaps.push_back(result.runs.back().average_gap);
  }
  result.slope = log_log_slope(options.iterations, gaps, slope_from);
  result.kinship = run_kinship(problem, options, each);
  return result;
}

}  // namespace cola::theory
