#pragma once
#include <cstdint>

#include "backend/context.h"
#include "core/matrix.h"

namespace cola::ops::cuda {

/// The values of a quantised matrix in f32 or bf16; of its rows indices[i] (device memory) unless null.
void dequantize(Context& context, ConstMatrixView quantized, const std::int32_t* indices, MatrixView values);

}  // namespace cola::ops::cuda
