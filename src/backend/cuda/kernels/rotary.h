#pragma once
#include <cstdint>

#include "backend/cuda/kernels/queue.h"
#include "backend/cuda/kernels/rows.h"

namespace cola::cuda {

/// backend/rotary.h: x [rows, heads * head_dim] in place; positions [rows] (device), cos and sin [P, half]
/// (device, f32). T is float or BFloat16.
template <class T>
[[nodiscard]] cudaError_t rotary(Queue queue, std::int64_t rows, std::int64_t heads, std::int64_t head_dim,
                                 std::int64_t half, Rows<T> x, const std::int32_t* positions,
                                 Rows<const float> cos, Rows<const float> sin, bool inverse);

}  // namespace cola::cuda
