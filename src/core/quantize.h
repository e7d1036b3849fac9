#pragma once
#include <cstddef>
#include <span>

#include "core/dtype.h"

namespace cola {

/// Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, MXFP4, Q4_K, Q5_K and Q6_K.
[[nodiscard]] bool can_quantize(DType dtype);

/// Rounds whole blocks of finite values to a type that can_quantize, on all threads: the bytes of ggml's
/// reference rounding without an importance matrix (ggml-quants.c, built without fused multiply-add).
/// `blocks` has bytes_of(dtype, values.size()).
void quantize(DType dtype, std::span<const float> values, std::byte* blocks);

}  // namespace cola
