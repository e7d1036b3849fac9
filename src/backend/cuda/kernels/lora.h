#pragma once
#include <cstdint>

#include "backend/cuda/kernels/queue.h"
#include "backend/cuda/kernels/rows.h"

// The thin products of backend/lora.h, memory-bound for small ranks. Pointers are device memory; T, of the
// wide matrix [rows, cols], is float or BFloat16; everything else is f32. Sums run in an order that depends
// on the sizes alone.
namespace cola::cuda {

/// The thin matrix [rank, cols]: element (j, c) is data[j * rank_stride + c * col_stride].
template <class T>
struct Thin {
  T* data = nullptr;
  std::int64_t rank_stride = 0;
  std::int64_t col_stride = 0;
};
/// A [r, K] as it lies.
template <class T>
[[nodiscard]] Thin<T> thin_a(Rows<T> a) {
  return {a.data, a.stride, 1};
}
/// B [N, r], read as B^T.
template <class T>
[[nodiscard]] Thin<T> thin_b(Rows<T> b) {
  return {b.data, 1, b.stride};
}

/// to [cols, rows] = from [rows, cols], transposed: B^T [r, N] for thin_dot.
[[nodiscard]] cudaError_t transpose(Queue queue, std::int64_t rows, std::int64_t cols, Rows<const float> from,
                                    Rows<float> to);

/// out [rows, rank] = scale wide thin^T, thin [rank, cols]: u = x A^T, du = scale dy B.
template <class T>
[[nodiscard]] cudaError_t thin_dot(Queue queue, std::int64_t rows, std::int64_t cols, std::int64_t rank,
                                   float scale, Rows<const T> wide, Rows<const float> thin, Rows<float> out);

/// wide += scale u thin, u [rows, rank]: y += scale u B^T, dx += du A; delta += scale B A with u = B.
template <class T>
[[nodiscard]] cudaError_t thin_expand(Queue queue, std::int64_t rows, std::int64_t cols, std::int64_t rank,
                                      float scale, Rows<const float> u, Thin<const float> thin, Rows<T> wide);

/// Floats of scratch memory for thin_outer.
[[nodiscard]] std::int64_t thin_outer_scratch(std::int64_t rows, std::int64_t cols, std::int64_t rank);
/// thin += scale u^T wide: dA += du^T x, dB^T += scale u^T dy.
template <class T>
[[nodiscard]] cudaError_t thin_outer(Queue queue, std::int64_t rows, std::int64_t cols, std::int64_t rank,
                                     float scale, Rows<const float> u, Rows<const T> wide, float* scratch,
                                     Thin<float> thin);

}  // namespace cola::cuda
