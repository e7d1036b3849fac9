#pragma once
#include "eval/preference_loss.h"
#include "io/json.h"

namespace cola {

/// What log.jsonl says of pairs: rewards_chosen, rewards_rejected, rewards_margin and rewards_accuracy, and
/// logps_chosen, logps_rejected: log-probabilities of whole answers. All are means over the pairs.
[[nodiscard]] Json preference_json(const PreferenceSums& sums);

}  // namespace cola
