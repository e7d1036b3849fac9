#include <fmt/format.h>

#include <cmath>

#include "core/error.h"
#include "eval/preference_loss.h"

namespace cola {
namespace {

void require(bool holds, const std::string& message) {
  if (!holds) throw UsageError(message);
}

PreferenceLoss loss_of(const PreferenceOptions& options) {
  using enum PreferenceLoss;
  if (options.objective == "orpo") return orpo;
  if (options.objective == "simpo") return simpo;
  require(options.objective == "dpo",
          fmt::format("--objective '{}' is not one of: dpo, orpo, simpo", options.objective));
  const std::string& name = options.dpo_loss;
  if (name.empty() || name == "sigmoid") return sigmoid;
  if (name == "hinge") return hinge;
  if (name == "ipo") return ipo;
  if (name == "robust") return robust;
  if (name == "sigmoid_norm") return sigmoid_norm;
  throw UsageError(
      fmt::format("--dpo-loss '{}' is not one of: sigmoid, hinge, ipo, robust, sigmoid_norm", name));
}

void require_number(const std::optional<double>& value, const char* name, double least, double below) {
  const bool holds = !value || (std::isfinite(*value) && *value >= least && *value < below);
  require(holds, fmt::format("--{} {} is out of range", name, value.value_or(0.0)));
}

void require_no_options(const PreferenceOptions& options) {
  require(!options.beta && options.dpo_loss.empty() && !options.label_smoothing && !options.sft_weight &&
              !options.simpo_gamma && options.reference.empty(),
          "--beta, --dpo-loss, --label-smoothing, --sft-weight, --simpo-gamma and --reference belong to "
          "--objective");
}

}  // namespace

std::optional<PreferenceObjective> preference_objective(const PreferenceOptions& options) {
  constexpr double any = HUGE_VAL;
  if (options.objective.empty()) {
    require_no_options(options);
    return std::nullopt;
  }
  PreferenceObjective objective;
  objective.loss = loss_of(options);
  const bool is_orpo = objective.loss == PreferenceLoss::orpo;
  const bool is_simpo = objective.loss == PreferenceLoss::simpo;
  require(options.dpo_loss.empty() || objective.has_reference(), "--dpo-loss belongs to --objective dpo");
  require(options.reference.empty() || objective.has_reference(),
          fmt::format("--reference: {} has none", options.objective));
  require(options.reference.empty() || options.reference == "base" || options.reference == "start",
          fmt::format("--reference '{}' is not one of: base, start", options.reference));
  require(!options.label_smoothing || objective.loss == PreferenceLoss::robust,
          "--label-smoothing acts with --dpo-loss robust alone: the other losses have none");
  require(!options.sft_weight || !is_orpo, "--sft-weight: orpo has the chosen answers' own loss by itself");
  require(!options.simpo_gamma || is_simpo, "--simpo-gamma belongs to --objective simpo");
  require_number(options.beta, "beta", 0.0, any);
  require(options.beta.value_or(1.0) > 0.0, "--beta must be above 0");
  require_number(options.label_smoothing, "label-smoothing", 0.0, 0.5);
  require_number(options.sft_weight, "sft-weight", 0.0, any);
  require_number(options.simpo_gamma, "simpo-gamma", 0.0, any);
  objective.beta = options.beta.value_or(is_simpo ? 2.0 : 0.1);
  objective.label_smoothing = options.label_smoothing.value_or(0.0);
  objective.gamma = is_simpo ? options.simpo_gamma.value_or(0.5) : 0.0;
  objective.own_loss_weight = is_orpo ? 1.0 : options.sft_weight.value_or(0.0);
  objective.reference_is_start = options.reference == "start";
  return objective;
}

}  // namespace cola
