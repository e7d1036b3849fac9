#pragma once
#include <cstdint>
#include <span>

#include "data/dataset.h"
#include "model/decoder.h"
#include "theory/linear_layer.h"

namespace cola::theory {

/// What the query projection of the last block gets as input at the first `rows` loss tokens of the examples,
/// and the class of the token that follows: the classes - 1 most frequent of these tokens (of equally
/// frequent ones, the smaller id first) have one each, all others share the last. Marks that projection's
/// weight as trained, so that the forward pass keeps the block's input. Throws Error if the examples have
/// fewer loss tokens or different next tokens than asked for.
[[nodiscard]] LabelledInputs record_query_inputs(ops::Context& context, Decoder& model,
                                                 std::span<const Example> examples, std::int64_t rows,
                                                 std::int64_t classes);

}  // namespace cola::theory
