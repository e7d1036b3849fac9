#pragma once
#include <map>
#include <string>

#include "io/tensor_source.h"
#include "model/decoder_spec.h"

namespace cola {

/// Finds each parameter of `config` among the file's tensors, under any of the names that published files
/// use: with or without the "model." prefix, a tied head under its own name or the embedding's or both.
/// Tensors that carry no weights (Family::ignored_tensors) are passed over, and so is the head's where
/// `config` ties it: see has_own_head. Throws Error naming every missing, unknown or misshaped tensor (the
/// first few).
[[nodiscard]] std::map<std::string, const SourceTensor*> match_tensors(const DecoderSpec& config,
                                                                       const TensorSource& source);

/// Whether the file has both the token table and a head, and they differ by value, whatever their
/// dtypes: then the head is the model's, also where config.json says `tie_word_embeddings`. Throws Error for
/// a table or head of another shape, of integers, or with values that are not finite, which compare as
/// nothing.
[[nodiscard]] bool has_own_head(const DecoderSpec& config, const TensorSource& source);

}  // namespace cola
