#pragma once
#include <cstdint>

#include "backend/cuda/kernels/queue.h"
#include "backend/cuda/kernels/rows.h"
#include "core/dtype.h"

// Launchers of what reads weights of a quantised type. Pointers are device memory.
namespace cola::cuda {

/// A quantised matrix: `row_bytes` from one row to the next.
struct QuantizedRows {
  DType dtype = DType::q4_0;
  const std::uint8_t* data = nullptr;
  std::int64_t row_bytes = 0;
};

/// values [rows, cols] = the blocks' values (core/quantized_blocks.h), of rows indices[i] unless `indices` is
/// null; rounded to nearest even. T is float or BFloat16.
template <class T>
[[nodiscard]] cudaError_t dequantize(Queue queue, std::int64_t rows, std::int64_t cols,
                                     const QuantizedRows& quantized, const std::int32_t* indices,
                                     Rows<T> values);

}  // namespace cola::cuda
