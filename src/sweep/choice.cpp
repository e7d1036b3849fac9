#include "sweep/choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace cola {
namespace {

/// Whether two trials stand in one row of the tables.
bool same_row(const SweepTrial& a, const SweepTrial& b) {
  return a.task == b.task && a.method == b.method && a.setting == b.setting;
}

bool same_candidate(const SweepTrial& a, const SweepTrial& b) {
  return same_row(a, b) && a.tuned == b.tuned && a.learning_rate == b.learning_rate;
}

bool has_seed(const Candidate& candidate, std::uint64_t seed) {
  return std::ranges::find(candidate.seeds, seed) != candidate.seeds.end();
}

/// Whether a is above b by more than the rounding of means.
bool is_above(double a, double b) { return a - b > 1e-9 * std::max(1.0, std::min(std::abs(a), std::abs(b))); }

bool is_better(const Candidate& candidate, const Candidate& best, const std::vector<std::uint64_t>& seeds) {
  const double score = mean_over(candidate, seeds, &TrialResult::dev_score).value_or(-1.0);
  const double best_score = mean_over(best, seeds, &TrialResult::dev_score).value_or(-1.0);
  if (is_above(score, best_score)) return true;
  if (is_above(best_score, score)) return false;
  constexpr double none = std::numeric_limits<double>::max();
  return is_above(mean_over(best, seeds, &TrialResult::dev_loss).value_or(none),
                  mean_over(candidate, seeds, &TrialResult::dev_loss).value_or(none));
}

}  // namespace

std::vector<RowCandidates> candidates_of(const SweepPlan& plan,
                                         const std::map<std::string, TrialResult>& finished) {
  std::vector<RowCandidates> rows;
  const SweepTrial* previous = nullptr;
  for (const SweepTrial& trial : plan.trials) {
    if (previous == nullptr || !same_row(*previous, trial)) rows.emplace_back();
    std::vector<Candidate>& candidates = rows.back().candidates;
    if (candidates.empty() || !same_candidate(*previous, trial))
      candidates.push_back({.first = &trial, .planned = {}, .seeds = {}, .trials = {}});
    previous = &trial;
    Candidate& candidate = candidates.back();
    candidate.planned.push_back(&trial);
    const auto result = finished.find(trial.id);
    if (result == finished.end()) continue;
    if (result->second.diverged) {
      candidate.diverged = true;
      continue;
    }
    candidate.seeds.push_back(trial.seed);
    candidate.trials.push_back(&result->second);
  }
  return rows;
}

std::optional<double> mean_over(const Candidate& candidate, const std::vector<std::uint64_t>& seeds,
                                std::optional<double> TrialResult::* field) {
  double sum = 0.0;
  std::size_t count = 0;
  for (std::size_t i = 0; i < candidate.trials.size(); ++i) {
    if (std::ranges::find(seeds, candidate.seeds[i]) == seeds.end()) continue;
    const std::optional<double>& value = candidate.trials[i]->*field;
    if (!value) return std::nullopt;
    sum += *value;
    ++count;
  }
  return count > 0 ? std::optional(sum / static_cast<double>(count)) : std::nullopt;
}

Choice choose(const RowCandidates& row) {
  Choice choice;
  std::vector<const Candidate*> open;
  std::size_t alive = 0;  // candidates that did not diverge
  for (const Candidate& candidate : row.candidates) {
    if (candidate.diverged) continue;
    ++alive;
    if (candidate.trials.size() < candidate.planned.size()) choice.provisional = true;
    if (!candidate.trials.empty()) open.push_back(&candidate);
  }
  if (open.empty()) {
    choice.reason = alive > 0 ? not_finished : row.candidates.size() == 1 ? "diverged" : "all rates diverged";
    return choice;
  }
  std::vector<std::uint64_t> seeds = open.front()->seeds;
  for (const Candidate* candidate : open)
    std::erase_if(seeds, [&](std::uint64_t seed) { return !has_seed(*candidate, seed); });
  if (seeds.empty()) {
    choice.reason = "not chosen: its rates have finished with other seeds";
    return choice;
  }
  const auto has_dev = [&](const Candidate* candidate) {
    return mean_over(*candidate, seeds, &TrialResult::dev_score) ||
           mean_over(*candidate, seeds, &TrialResult::dev_loss);
  };
  if (open.size() > 1 && std::ranges::none_of(open, has_dev)) {
    choice.reason = "not chosen: there is no dev score";
    return choice;
  }
  choice.candidate = open.front();
  for (const Candidate* candidate : open)
    if (is_better(*candidate, *choice.candidate, seeds)) choice.candidate = candidate;
  choice.on_dev = open.size() > 1;
  choice.provisional = choice.provisional && row.candidates.size() > 1;
  return choice;
}

}  // namespace cola
