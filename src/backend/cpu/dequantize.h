#pragma once
#include "core/matrix.h"

namespace cola::ops {

/// The values of a quantised matrix in f32 or bf16, by the calling thread.
void dequantize_rows(ConstMatrixView quantized, MatrixView values);

/// The same on all threads.
void dequantize(ConstMatrixView quantized, MatrixView values);

}  // namespace cola::ops
