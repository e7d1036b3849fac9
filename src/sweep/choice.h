#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sweep/plan.h"
#include "sweep/trial.h"

namespace cola {

/// Trials that differ in nothing but their seed: what a row of the tables can be at one learning rate and one
/// setting of the options that are chosen on dev.
struct Candidate {
  const SweepTrial* first = nullptr;
  std::vector<const SweepTrial*> planned;  ///< its trials
  std::vector<std::uint64_t> seeds;        ///< of the trials that have finished, in the plan's order
  std::vector<const TrialResult*> trials;
  bool diverged = false;  ///< with any seed: never chosen
};

/// The candidates of a row, in the plan's order.
struct RowCandidates {
  std::vector<Candidate> candidates;
};

/// The reason of a row whose trials are under way, or have not run.
inline constexpr const char* not_finished = "not finished";

/// Which candidate a row shows.
struct Choice {
  const Candidate* candidate = nullptr;  ///< null where there is none
  std::string reason;                    ///< then, why: for a reader of the tables
  bool on_dev = false;                   ///< it was chosen among several by its dev score
  bool provisional = false;              ///< not all candidates have finished with all seeds
};

/// The plan's trials by row; `finished` by trial id.
[[nodiscard]] std::vector<RowCandidates> candidates_of(const SweepPlan& plan,
                                                       const std::map<std::string, TrialResult>& finished);

/// Among the candidates of which no seed diverged and one has finished: the highest mean dev score over the
/// seeds that all of these have finished, ties by the lower mean dev loss, then by the plan's order. Means
/// that are equal but for rounding are a tie: of counts they are either that, or 1 / (seeds x questions)
/// apart. No candidate where there is no such seed, or several candidates and no dev score or loss.
[[nodiscard]] Choice choose(const RowCandidates& row);

/// Mean of a field over the trials of the candidate's seeds that are in `seeds`; none where one lacks it.
[[nodiscard]] std::optional<double> mean_over(const Candidate& candidate,
                                              const std::vector<std::uint64_t>& seeds,
                                              std::optional<double> TrialResult::* field);

}  // namespace cola
