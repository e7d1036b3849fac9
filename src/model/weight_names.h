#pragma once
#include <map>
#include <string>

#include "io/tensor_source.h"
#include "model/config.h"

namespace cola {

/// Finds each parameter of `config` among the file's tensors, under any of the names that published files
/// use: with or without the "model." prefix, a tied head under its own name or the embedding's or both.
/// Tensors that carry no weights (rotary_emb.inv_freq, a tied lm_head, the fairseq version) are passed over.
/// Throws Error naming every missing, unknown or misshaped tensor (the first few).
[[nodiscard]] std::map<std::string, const SourceTensor*> match_tensors(const ModelConfig& config,
                                                                       const TensorSource& source);

}  // namespace cola
