#include "theory/practical_cola.h"

#include <cmath>
#include <limits>

#include "theory/frank_wolfe.h"
#include "theory/singular_pair.h"

namespace cola::theory {
namespace {

constexpr std::uint64_t first_link_stream = 1000;  // apart from the streams of the problems' data

struct LowRankLink {
  Matrix b, a;  // [rows, rank], [rank, cols]
};

LowRankLink new_link(const Problem& problem, const PracticalColaOptions& options, std::int64_t number) {
  RandomStream stream = data_stream(options.seed, first_link_stream + static_cast<std::uint64_t>(number));
  LowRankLink link{Matrix::Zero(problem.rows(), options.rank), Matrix(options.rank, problem.cols())};
  const double bound = 1.0 / std::sqrt(static_cast<double>(problem.cols()));
  for (double& value : link.a.reshaped())
    value = bound * (2.0 * static_cast<double>(stream.next_uniform()) - 1.0);
  return link;
}

}  // namespace

PracticalColaRun run_practical_cola(const Problem& problem, const PracticalColaOptions& options,
                                    double learning_rate, const std::function<void()>& each) {
  PracticalColaRun run;
  run.learning_rate = learning_rate;
  const std::int64_t link_steps = options.steps / options.links;
  Matrix tied = Matrix::Zero(problem.rows(), problem.cols());
  LowRankLink link = new_link(problem, options, 0);
  Matrix w = tied;
  for (std::int64_t n = 0; n < options.steps; ++n) {
    if (n > 0 && n % link_steps == 0) {  // a knot: tie, extend
      tied = w;
      link = new_link(problem, options, n / link_steps);
    }
    RandomStream stream = batch_stream(options.seed, options.batch, options.steps, n + 1);
    const Matrix gradient = problem.stochastic_gradient(w, options.batch, stream);
    const double rate = learning_rate * (1.0 - static_cast<double>(n) / static_cast<double>(options.steps));
    const Matrix b_gradient = gradient * link.a.transpose();
    link.a -= rate * link.b.transpose() * gradient;
    link.b -= rate * b_gradient;
    w = tied + link.b * link.a;
    const double loss = w.allFinite() ? problem.loss(w) : std::numeric_limits<double>::infinity();
    if (each) each();
    if (!std::isfinite(loss)) {  // diverged: all losses from here on are infinite
      run.losses.resize(static_cast<std::size_t>(options.steps / options.loss_every),
                        std::numeric_limits<double>::infinity());
      run.final_gap = run.final_nuclear_norm = std::numeric_limits<double>::infinity();
      return run;
    }
    if ((n + 1) % options.loss_every == 0) run.losses.push_back(loss);
  }
  run.final_gap = frank_wolfe_gap(w, problem.gradient(w), problem.constants().radius);
  run.final_nuclear_norm = nuclear_norm(w);
  return run;
}

PracticalColaRun best_practical_cola(const Problem& problem, const PracticalColaOptions& options,
                                     std::span<const double> learning_rates,
                                     const std::function<void()>& each) {
  PracticalColaRun best;
  for (const double rate : learning_rates) {
    PracticalColaRun run = run_practical_cola(problem, options, rate, each);
    if (best.losses.empty() || run.losses.back() < best.losses.back()) best = std::move(run);
  }
  return best;
}

}  // namespace cola::theory
