#include "train/preference_log.h"

namespace cola {

Json preference_json(const PreferenceSums& sums) {
  const auto pairs = static_cast<double>(sums.pairs);
  return {{"rewards_chosen", sums.mean_reward(0)},
          {"rewards_rejected", sums.mean_reward(1)},
          {"rewards_margin", sums.mean_reward(0) - sums.mean_reward(1)},
          {"rewards_accuracy", sums.accuracy()},
          {"logps_chosen", sums.log_probabilities[0] / pairs},
          {"logps_rejected", sums.log_probabilities[1] / pairs}};
}

}  // namespace cola
