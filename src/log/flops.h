#pragma once
#include <cstdint>
#include <span>

#include "backend/ragged_batch.h"
#include "model/decoder_spec.h"

namespace cola {

/// Tokens of these sequences as the reference's collator pads them: to the longest, rounded up to a multiple
/// of 8.
[[nodiscard]] std::int64_t padded_tokens(std::span<const std::int64_t> lengths);

/// `hf_flos` of one batch of whole sequences as the Hugging Face Trainer counts it (method.md, 'FLOPs'): 6 x
/// input tokens x parameters, where the tokens are padded to the batch's longest sequence, rounded up to a
/// multiple of 8, and the parameters are all but the token and position tables, the live link included.
[[nodiscard]] double hf_flos(const RaggedBatch& batch, std::int64_t parameters);

/// The same for sequences of these lengths. The reference runs every candidate of a question whole, so a
/// batch of questions counts by its candidates' lengths (QuestionBatch::lengths), shared prefix or not.
[[nodiscard]] double hf_flos(std::span<const std::int64_t> lengths, std::int64_t parameters);

/// Parameters of the model that hf_flos counts, without any link.
[[nodiscard]] std::int64_t hf_flos_parameters(const DecoderSpec& config);

}  // namespace cola
