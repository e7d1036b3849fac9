// cola theory
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/output.h"
#include "cli/theory_output.h"
#include "cli/theory_problems.h"
#include "cli/verbs.h"
#include "cli/whole_number.h"
#include "core/error.h"
#include "core/progress.h"
#include "io/durable_file.h"
#include "io/files.h"
#include "io/gnuplot.h"
#include "theory/theory_plot.h"

namespace cola {
namespace {

struct TheoryVerb {
  std::vector<std::string> problems = theory_problem_names();
  std::string plot;
  std::uint64_t seed = 42;
  std::int64_t max_iterations = theory::theory_iterations[std::size(theory::theory_iterations) - 1];
  bool json = false, quiet = false;
};

void check(const TheoryVerb& verb) {
  const auto& names = theory_problem_names();
  for (const std::string& name : verb.problems) {
    if (std::ranges::find(names, name) == names.end()) (void)make_theory_problem(name, verb.seed);  // throws
    if (std::ranges::count(verb.problems, name) > 1)
      throw UsageError(fmt::format("--problem: {} is named twice", name));
  }
  if (verb.max_iterations < theory::theory_iterations[0]) {
    throw UsageError(fmt::format("--max-iterations is {}: the shortest run has {}", verb.max_iterations,
                                 theory::theory_iterations[0]));
  }
  if (!verb.plot.empty()) {  // before the minutes of work
    if (std::filesystem::is_directory(verb.plot)) throw UsageError(verb.plot + ": --plot names a folder");
    require_writable_folder(parent_of(verb.plot));
    require_gnuplot();
  }
}

void run_theory_verb(const TheoryVerb& verb) {
  check(verb);
  Progress progress(verb.quiet);
  std::vector<theory::TheoryResult> results;
  std::int64_t done = 0;
  for (const std::string& name : verb.problems) {
    const TheoryProblem problem = make_theory_problem(name, verb.seed);
    theory::TheoryOptions options{
        .iterations = {}, .batch_per_iteration = problem.batch_per_iteration, .seed = verb.seed};
    for (const std::int64_t iterations : theory::theory_iterations) {
      if (iterations <= verb.max_iterations) options.iterations.push_back(iterations);
    }
    const auto total = theory::theory_steps(options) * static_cast<std::int64_t>(verb.problems.size());
    results.push_back(
        theory::run_theory(*problem.problem, options, [&] { progress.update(name, ++done, total); }));
  }
  if (!verb.plot.empty()) write_svg_plot(theory::theory_plot_script(results), verb.plot);
  if (verb.json) {
    Json problems = Json::array();
    for (const auto& result : results) problems.push_back(theory_json(result, verb.seed));
    print_json(results.size() == 1 ? problems.front() : Json{{"problems", problems}});
    return;
  }
  std::string text;
  for (const auto& result : results) text += (text.empty() ? "" : "\n") + theory_text(result);
  print(verb.plot.empty() ? text : text + fmt::format("\nplot: {}\n", verb.plot));
}

}  // namespace

void add_theory(CLI::App& app) {
  CLI::App& verb = *app.add_subcommand("theory", "idealised COLA (Frank-Wolfe) against Theorem 4.1");
  const auto state = std::make_shared<TheoryVerb>();
  verb.add_option("--problem", state->problems, "which of them, repeatable or with commas")
      ->type_name("NAME")
      ->delimiter(',')
      ->capture_default_str();
  verb.add_option("--max-iterations", state->max_iterations, "leave out the runs of more iterations")
      ->type_name("N")
      ->capture_default_str();
  verb.add_option("--seed", state->seed, "seed of the problems and batches")
      ->type_name("N")
      ->check(whole_number())
      ->capture_default_str();
  verb.add_option("--plot", state->plot, "SVG to write, drawn by gnuplot")->type_name("FILE");
  verb.add_flag("--quiet", state->quiet, "no progress on standard error");
  verb.add_flag("--json", state->json, "print the result as JSON");
  verb.callback([state] { run_theory_verb(*state); });
}

}  // namespace cola
