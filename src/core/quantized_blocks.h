#pragma once
#include <cstddef>
#include <span>

#include "core/dtype.h"

namespace cola {

/// The values of whole blocks of a quantised type, in f32: each the product of a 16-bit scale and a few small
/// integers, which f32 holds exactly, so that every order of the multiplications gives the same bits.
/// `blocks` has bytes_of(dtype, values.size()) and may be unaligned. Source of the layouts: ggml-quants.c of
/// ggml; see docs/gguf.md.
void dequantize(DType dtype, const std::byte* blocks, std::span<float> values);

/// Whether no value of the blocks is NaN or infinite.
[[nodiscard]] bool blocks_finite(DType dtype, std::span<const std::byte> blocks);

}  // namespace cola
