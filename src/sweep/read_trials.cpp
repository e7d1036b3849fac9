#include <fstream>
#include <optional>

#include "core/parallel.h"
#include "io/printable.h"
#include "sweep/results.h"
#include "text/utf8.h"

namespace cola {
namespace {

/// A file's or an error's line, fit for tables and JSON.
std::string message_text(const std::string& line) { return printable(replace_invalid_utf8(line)); }

/// The first line of what a trial said when it failed.
std::string first_line(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line.empty() ? "failed" : message_text(line);
}

}  // namespace

SweepTrials read_trials(const SweepPlan& plan, const SweepFolder& folder) {
  std::vector<std::optional<TrialResult>> finished(plan.trials.size());
  std::vector<std::string> errors(plan.trials.size());
  const auto read = [&](std::size_t index) {
    const std::string& id = plan.trials[index].id;
    try {
      if (folder.finished(id)) {
        finished[index] = read_trial_result(folder, id);
      } else if (std::filesystem::exists(folder.error(id))) {
        errors[index] = first_line(folder.error(id));
      }
    } catch (const std::exception& error) {
      errors[index] = message_text(error.what());
    }
  };
  parallel_for(std::ssize(plan.trials), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) read(static_cast<std::size_t>(i));
  });
  SweepTrials trials;
  for (std::size_t i = 0; i < plan.trials.size(); ++i) {
    if (finished[i]) trials.finished.emplace(plan.trials[i].id, std::move(*finished[i]));
    if (!errors[i].empty()) trials.failed.emplace(plan.trials[i].id, errors[i]);
  }
  return trials;
}

}  // namespace cola
