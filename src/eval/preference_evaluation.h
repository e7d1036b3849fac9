#pragma once
#include <cstdint>
#include <functional>
#include <span>

#include "eval/loaded_model.h"
#include "eval/preference_loss.h"

namespace cola {

/// The objective over pairs (as_trained). The reference is the model without its links; of a run of full
/// fine-tuning, the model that it began with.
[[nodiscard]] PreferenceSums evaluate_pairs(LoadedModel& loaded, ops::Context& context,
                                            DecoderActivations& activations,
                                            std::span<const PreferencePair> pairs,
                                            const PreferenceObjective& objective,
                                            const std::function<void(std::int64_t, std::int64_t)>& each = {});

}  // namespace cola
