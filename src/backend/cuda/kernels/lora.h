#pragma once
#include <cstdint>
#include <span>

#include "backend/cuda/kernels/queue.h"
#include "backend/cuda/kernels/rows.h"

// The thin products of backend/lora.h, memory-bound for small ranks. Pointers are device memory; T, of wide
// matrices, is float or BFloat16; everything else is f32. Sums run in an order that depends on the sizes
// alone. A call is for any number of products with the same number of rows; bf16 ones of aligned matrices
// share launches and are computed on tensor cores, f32 factors as sums of two bf16: to 2^-18 of themselves.
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

/// out [rows, rank] = scale wide [rows, cols] thin^T: u = x A^T, du = scale dy B.
template <class T>
struct ThinDot {
  std::int64_t cols = 0, rank = 0;
  float scale = 0.0F;
  Rows<const T> wide;
  Thin<const float> thin;
  Rows<float> out;
};
template <class T>
[[nodiscard]] cudaError_t thin_dots(Queue queue, std::int64_t rows, std::span<const ThinDot<T>> products);

/// wide [rows, cols] += scale u [rows, rank] thin: y += scale u B^T, dx += du A; delta += scale B A with
/// u = B. Neighbours in the list may add to one matrix.
template <class T>
struct ThinExpand {
  std::int64_t cols = 0, rank = 0;
  float scale = 0.0F;
  Rows<const float> u;
  Thin<const float> thin;
  Rows<T> wide;
};
template <class T>
[[nodiscard]] cudaError_t thin_expands(Queue queue, std::int64_t rows,
                                       std::span<const ThinExpand<T>> products);

/// thin += scale u^T wide: dA += du^T x, dB^T += scale u^T dy.
template <class T>
struct ThinOuter {
  std::int64_t cols = 0, rank = 0;
  float scale = 0.0F;
  Rows<const float> u;
  Rows<const T> wide;
  Thin<float> thin;
};
/// Floats of scratch memory for thin_outers.
template <class T>
[[nodiscard]] std::int64_t thin_outers_scratch(std::int64_t rows, std::span<const ThinOuter<T>> products);
template <class T>
[[nodiscard]] cudaError_t thin_outers(Queue queue, std::int64_t rows, std::span<const ThinOuter<T>> products,
                                      float* scratch);

}  // namespace cola::cuda
