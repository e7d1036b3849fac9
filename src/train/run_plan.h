#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "chain/chain.h"
#include "chain/stall_detector.h"
#include "cola/train.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"

namespace cola {

enum class Method : std::uint8_t { cola, lora, full };
[[nodiscard]] Method parse_method(const std::string& name);  ///< throws UsageError

/// Checks every option that can be checked without a file (ranges, names, contradictions). Throws UsageError.
void check_options(const TrainOptions& options);

/// The part of check_options that needs no paths: method, chain, optimizer, loop.
void check_plan_options(const TrainOptions& options);

/// Whether --decay-norms makes a difference: there is weight decay, and a norm or a bias is trained.
[[nodiscard]] bool can_decay_norms(const TrainOptions& options);

/// Names of the options that are set and make no difference to this run.
[[nodiscard]] std::vector<std::string> unused_options(const TrainOptions& options);

/// --target-modules, or the default ones.
[[nodiscard]] std::vector<std::string> target_modules_of(const TrainOptions& options,
                                                         const DecoderSpec& config);

/// The run, worked out from its options and the size of its data.
struct RunPlan {
  Method method = Method::cola;
  std::int64_t total_steps = 0;
  std::int64_t steps_per_epoch = 0;
  std::vector<std::int64_t> knots;      ///< optimizer steps done when each is tied; with auto those so far
  std::optional<StallRule> stall_rule;  ///< with --knots auto
  std::vector<LinkShape>
      links;  ///< knots.size() + 1 of them, with auto the most there may be; none with full
  Schedule schedule;
  OptimizerOptions optimizer;
  TieMode tie = TieMode::merge;
};

/// `compute_dtype` decides `--tie auto`. Throws UsageError naming the option.
/// `quantized_base`: links are stacked on weights that stay quantised.
[[nodiscard]] RunPlan make_run_plan(const TrainOptions& options, std::int64_t examples, DType compute_dtype,
                                    bool quantized_base = false);

}  // namespace cola
