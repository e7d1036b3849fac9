#include "backend/cuda/kernels/elements.cuh"
#include "backend/cuda/kernels/elementwise.h"

namespace cola::cuda {
namespace {

constexpr int mask_bits = 8;  ///< of a thread: a byte of the mask, and its columns

/// Calls body(col, values) on a thread's columns, `width` at a time.
template <int width, class Body>
__device__ __forceinline__ void for_columns(std::int64_t item, std::int64_t cols, const Body& body) {
#pragma unroll
  for (int k = 0; k < mask_bits; k += width) {
    if (item * mask_bits + k < cols) body(k, item * mask_bits + k);
  }
}

template <class T, int width>
struct ReluForward {
  std::int64_t cols, mask_stride;
  Rows<T> x;
  std::uint8_t* positive;

  __device__ void operator()(std::int64_t row, std::int64_t item) const {
    unsigned bits = 0;
    for_columns<width>(item, cols, [&](int k, std::int64_t col) {
      float values[width];
      load(x[row] + col, values);
#pragma unroll
      for (int i = 0; i < width; ++i) {
        if (values[i] > 0.0F) bits |= 1U << (k + i);
        if (values[i] <= 0.0F) values[i] = 0.0F;  // keeps a NaN
      }
      store(values, x[row] + col);
    });
    if (positive != nullptr) positive[row * mask_stride + item] = static_cast<std::uint8_t>(bits);
  }
};

template <class T, int width>
struct ReluBackward {
  std::int64_t cols, mask_stride;
  Rows<const T> dy;
  const std::uint8_t* positive;
  Rows<T> dx;

  __device__ void operator()(std::int64_t row, std::int64_t item) const {
    const unsigned bits = positive[row * mask_stride + item];
    for_columns<width>(item, cols, [&](int k, std::int64_t col) {
      float values[width];
      load(dy[row] + col, values);
#pragma unroll
      for (int i = 0; i < width; ++i) {
        if ((bits >> (k + i) & 1U) == 0) values[i] = 0.0F;
      }
      store(values, dx[row] + col);
    });
  }
};

static_assert(wide == mask_bits, "a thread's columns are one word");

[[nodiscard]] std::int64_t mask_stride_of(std::int64_t cols) { return blocks_of(cols, 128) * 16; }

}  // namespace

template <class T>
cudaError_t relu_forward(Queue queue, std::int64_t rows, std::int64_t cols, Rows<T> x,
                         std::uint8_t* positive) {
  return with_width(are_aligned(cols, x), [&](auto width) {
    const ReluForward<Element<T>, width> operation = {cols, mask_stride_of(cols), on_device(x), positive};
    return launch_each(queue, rows, blocks_of(cols, mask_bits), operation);
  });
}

template <class T>
cudaError_t relu_backward(Queue queue, std::int64_t rows, std::int64_t cols, Rows<const T> dy,
                          const std::uint8_t* positive, Rows<T> dx) {
  return with_width(are_aligned(cols, dy, dx), [&](auto width) {
    const ReluBackward<Element<T>, width> operation = {cols, mask_stride_of(cols), on_device(dy), positive,
                                                       on_device(dx)};
    return launch_each(queue, rows, blocks_of(cols, mask_bits), operation);
  });
}

template cudaError_t relu_forward(Queue, std::int64_t, std::int64_t, Rows<float>, std::uint8_t*);
template cudaError_t relu_forward(Queue, std::int64_t, std::int64_t, Rows<BFloat16>, std::uint8_t*);
template cudaError_t relu_backward(Queue, std::int64_t, std::int64_t, Rows<const float>, const std::uint8_t*,
                                   Rows<float>);
template cudaError_t relu_backward(Queue, std::int64_t, std::int64_t, Rows<const BFloat16>,
                                   const std::uint8_t*, Rows<BFloat16>);

}  // namespace cola::cuda
