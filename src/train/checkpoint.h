#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "lora/link.h"
#include "model/weights.h"
#include "optim/optimizer.h"

namespace cola {

/// Where a run stands after `steps_done` optimizer steps. With the tensors beside it (live link or weights,
/// optimizer state) it is all that resuming bit-exactly needs: everything random is a function of seed and
/// step.
struct TrainingState {
  std::int64_t steps_done = 0;
  std::int64_t tied_links = 0;   ///< links/1 .. links/<tied_links> of the run folder are tied
  std::int64_t live_number = 0;  ///< of the live link among those this run trains, from 0
  std::int64_t optimizer_steps = 0;
  std::int64_t log_bytes = 0;
  std::string computed_with;   ///< dtype, threads, instruction set: others give other bits
  std::int64_t processes = 1;  ///< that trained so far, or last: with as many, resuming is bit-exact
  std::string train_digest, dev_digest;  ///< digest_of() the data: to notice that it has changed
  double train_loss = 0.0;
  std::optional<double> dev_loss, best_dev_loss;
  std::optional<double> dev_score, best_dev_score;
  std::int64_t evaluations_without_gain = 0;
  bool stopped_early = false;
  std::vector<std::int64_t> knots;  ///< with --knots auto: those so far
  std::vector<double> link_losses;  ///< with --knots auto: of the live link's steps
  bool knot_due = false;            ///< with --knots auto: the next step begins with a knot
  double seconds = 0.0;
  std::int64_t tokens = 0;
  double hf_flos = 0.0, real_flops = 0.0;
  double hf_flos_saved = 0.0;  ///< against the first link's rank throughout
};

/// 64-bit FNV-1a of all ids and labels, as hexadecimal digits: tells an edited file, not an attacker's.
[[nodiscard]] std::string digest_of(std::span<const Example> examples);
/// The same, as checkpoints have it that were written before Sequences::digest was.
[[nodiscard]] std::string former_digest_of(const Sequences& sequences);

/// Writes a checkpoint folder as one step. Either `live` (with cola, lora) or `weights` (full) is given.
void write_checkpoint_folder(const std::filesystem::path& folder, const TrainingState& state,
                             Optimizer& optimizer, const Link* live, const Weights* weights);

[[nodiscard]] TrainingState read_checkpoint_state(const std::filesystem::path& folder);
[[nodiscard]] Link read_checkpoint_link(const std::filesystem::path& folder);
/// Overwrites the master values of every trained weight.
void read_checkpoint_weights(const std::filesystem::path& folder, ops::Context& context, Weights& weights);
/// Overwrites the optimizer's state, steps included.
void read_checkpoint_optimizer(const std::filesystem::path& folder, const TrainingState& state,
                               Optimizer& optimizer);

}  // namespace cola
