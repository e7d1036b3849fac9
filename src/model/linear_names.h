#pragma once
#include <string>
#include <vector>

#include "lora/target_modules.h"
#include "model/decoder_spec.h"

namespace cola {

/// linear_specs() by the modules' names: Decoder::linears() before there is a model.
[[nodiscard]] std::vector<LinearName> linear_names(const DecoderSpec& spec);

/// The family's: of most the projections of queries and values, as in the paper, section A.3.
[[nodiscard]] std::vector<std::string> default_target_modules(const DecoderSpec& spec);

/// Indices into linear_names() of what `selectors` name; of the default ones where they are empty. Throws as
/// select_target_modules does.
[[nodiscard]] std::vector<std::size_t> selected_targets(const DecoderSpec& spec,
                                                        const std::vector<std::string>& selectors);

}  // namespace cola
