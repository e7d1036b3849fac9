#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "theory/practical_cola.h"
#include "theory/problem.h"

namespace cola::theory {

/// T of the runs, each a run of its own with its own step.
inline constexpr std::int64_t theory_iterations[] = {10, 30, 100, 300, 1000, 3000, 10000};
inline constexpr std::int64_t slope_from = 100;  ///< smaller T are not asymptotic yet
/// The batch of the counter-example is that of this T in every run.
inline constexpr std::int64_t fixed_batch_iterations = 10;

struct TheoryOptions {
  std::vector<std::int64_t> iterations;  ///< T of the runs, increasing
  std::int64_t batch_per_iteration = 1;  ///< the batch is this times T, so that epsilon falls as 1/sqrt(T)
  std::uint64_t seed = 42;
};

/// One T.
struct TheoryRow {
  std::int64_t iterations = 0;
  std::int64_t batch = 0;
  double step = 0.0;
  double average_gap = 0.0;
  double epsilon = 0.0;                ///< mean eps_t
  double bound_without_epsilon = 0.0;  ///< 2 sqrt(M beta) D / sqrt(T)
  double fixed_batch_gap = 0.0;        ///< average gap and mean eps_t with the batch of the counter-example
  double fixed_batch_epsilon = 0.0;

  [[nodiscard]] double bound() const { return bound_without_epsilon + epsilon; }
};

/// Idealised and practical COLA with the same stochastic gradients in number and size.
struct Kinship {
  PracticalColaOptions options;   ///< of the chain
  std::vector<double> idealised;  ///< L(W) after every options.loss_every steps
  double idealised_gap = 0.0;     ///< at the last W
  double idealised_nuclear_norm = 0.0;
  PracticalColaRun chain;
  PracticalColaRun single;  ///< one link of the same rank for all steps: LoRA
};

struct TheoryResult {
  std::string problem;
  ProblemConstants constants;
  Eigen::Index rows = 0, cols = 0;  ///< of W
  std::int64_t fixed_batch = 0;
  std::vector<TheoryRow> runs;
  std::optional<double> slope;  ///< of log average_gap in log T over T >= slope_from; none below two such T
  Kinship kinship;
};

/// Gradient steps that run_theory takes, each of which it reports.
[[nodiscard]] std::int64_t theory_steps(const TheoryOptions& options);

/// Throws Error where step_size does, before any run.
[[nodiscard]] TheoryResult run_theory(const Problem& problem, const TheoryOptions& options,
                                      const std::function<void()>& each = {});

/// Least-squares slope of log y in log x over x >= from; none with fewer than two such points.
[[nodiscard]] std::optional<double> log_log_slope(std::span<const std::int64_t> x, std::span<const double> y,
                                                  std::int64_t from);

}  // namespace cola::theory
