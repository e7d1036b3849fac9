#pragma once
#include "data/record.h"
#include "io/json.h"

namespace cola {

/// The integers under `key`. Throws Error naming it.
[[nodiscard]] std::vector<std::int64_t> read_integers(const JsonReader& object, const std::string& key);

/// Tokens of {"input_ids"}: with `labels`; with `attention_mask`, whose zeros at both ends are padding and
/// taken off; with TRL's `completion_mask` and `assistant_masks`, and `loss_mask`, whose zeros carry no loss;
/// with `position_ids` that count from 0. Throws Error naming the key: an array that is not as long as
/// input_ids, masks of other than 0 and 1, padding in the middle, other positions, and any other array that
/// says something of each token.
[[nodiscard]] TokenRecord read_tokens(const JsonReader& object);

}  // namespace cola
