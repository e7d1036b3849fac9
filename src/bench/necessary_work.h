#pragma once
#include "model/decoder_spec.h"
#include "model/weights.h"

namespace cola {

/// Weights that are multiplied, each times the rows it meets: `tokens`, or `head_rows` for the head and what
/// stands between it and the blocks. Looked-up tables are not multiplied. What a pass cannot do without,
/// attention scores left aside, is 2 FLOPs of these forward, 2 for the gradient of the inputs, and with all
/// weights trained 2 for that of the weights.
[[nodiscard]] double weights_by_rows(const DecoderSpec& config, double tokens, double head_rows);

/// Bytes of the weights that one generated token needs, as they lie in memory: all but the looked-up tables.
[[nodiscard]] double weight_bytes_of_token(const DecoderSpec& config, const Weights& weights);

}  // namespace cola
