#pragma once
#include <string>

#include "lora/adapter.h"

namespace cola {

/// A tensor in f32; a vector as a row. Throws Error naming file and tensor for another number of `dimensions`
/// (1 or 2), no elements, integers, and values that are not finite.
[[nodiscard]] Matrix finite_matrix(const SourceTensor& tensor, const std::string& key,
                                   std::size_t dimensions = 2);

/// Throws Error if A and B do not fit together, or if the scale or an element of scale B A is not finite in
/// f32, or not a normal number. `file` and the module's name begin the message.
void check_module(const LoraModule& module, const std::string& file);

/// What a tensor is called in PEFT's files that is called `found`: of a layer of the base whose name occurs
/// in it, or an example.
[[nodiscard]] std::string expected_peft_key(const std::string& found, const BaseTensors* base);

/// Whether PEFT's "all-linear" takes a module: a linear layer, and not the head. Without a base its name
/// alone tells the head.
[[nodiscard]] bool is_linear_but_head(const std::string& module, const BaseTensors* base);

/// Whether a copy has the base's values, which may have been rounded to the copy's type or the copy's to the
/// base's; "" or what differs.
[[nodiscard]] std::string difference(const SourceTensor& copy, const SourceTensor& base);

}  // namespace cola
