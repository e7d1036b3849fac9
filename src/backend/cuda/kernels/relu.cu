#include "backend/cuda/kernels/elements.cuh"
#include "backend/cuda/kernels/elementwise.h"

namespace cola::cuda {
namespace {

/// `width` bytes of a mask, and their eight columns each: neighbouring threads read neighbouring columns.
template <class T, int width>
struct ReluForward {
  std::int64_t cols, mask_cols;
  Rows<T> x;
  std::uint8_t* positive;

  __device__ void operator()(std::int64_t row, std::int64_t item) const {
    const std::int64_t byte = item * width;
    std::uint64_t bits = 0;  // byte i of it is byte i of the mask
#pragma unroll
    for (int k = 0; k < 8; ++k) {
      const std::int64_t col = k * mask_cols + byte;
      if (col >= cols) break;
      float values[width];
      load(x[row] + col, values);
#pragma unroll
      for (int i = 0; i < width; ++i) {
        if (values[i] > 0.0F) bits |= std::uint64_t{1} << (8 * i + k);
        if (values[i] <= 0.0F) values[i] = 0.0F;  // keeps a NaN
      }
      store(values, x[row] + col);
    }
    if (positive == nullptr) return;
    std::uint8_t* mask = positive + row * mask_cols + byte;
    if constexpr (width == 8) {
      *reinterpret_cast<std::uint64_t*>(mask) = bits;
    } else {
      *mask = static_cast<std::uint8_t>(bits);
    }
  }
};

template <class T, int width>
struct ReluBackward {
  std::int64_t cols, mask_cols;
  Rows<const T> dy;
  const std::uint8_t* positive;
  Rows<T> dx;

  __device__ void operator()(std::int64_t row, std::int64_t item) const {
    const std::int64_t byte = item * width;
    const std::uint8_t* mask = positive + row * mask_cols + byte;
    std::uint64_t bits;
    if constexpr (width == 8) {
      bits = *reinterpret_cast<const std::uint64_t*>(mask);
    } else {
      bits = *mask;
    }
#pragma unroll
    for (int k = 0; k < 8; ++k) {
      const std::int64_t col = k * mask_cols + byte;
      if (col >= cols) break;
      float values[width];
      load(dy[row] + col, values);
#pragma unroll
      for (int i = 0; i < width; ++i) {
        if ((bits >> (8 * i + k) & 1U) == 0) values[i] = 0.0F;
      }
      store(values, dx[row] + col);
    }
  }
};

static_assert(wide == 8, "a thread's mask bytes are one word");

/// Whether eight mask bytes at a time, and the elements of each bit, are whole aligned words.
template <class... T>
bool are_words(std::int64_t cols, const std::uint8_t* positive, Rows<T>... rows) {
  return cols % 64 == 0 && reinterpret_cast<std::uintptr_t>(positive) % 8 == 0 && are_aligned(cols, rows...);
}

}  // namespace

template <class T>
cudaError_t relu_forward(Queue queue, std::int64_t rows, std::int64_t cols, Rows<T> x,
                         std::uint8_t* positive) {
  const std::int64_t mask_cols = blocks_of(cols, 8);
  return with_width(are_words(cols, positive, x), [&](auto width) {
    const ReluForward<Element<T>, width> operation = {cols, mask_cols, on_device(x), positive};
    return launch_each(queue, rows, mask_cols / width, operation);
  });
}

template <class T>
cudaError_t relu_backward(Queue queue, std::int64_t rows, std::int64_t cols, Rows<const T> dy,
                          const std::uint8_t* positive, Rows<T> dx) {
  const std::int64_t mask_cols = blocks_of(cols, 8);
  return with_width(are_words(cols, positive, dy, dx), [&](auto width) {
    const ReluBackward<Element<T>, width> operation = {cols, mask_cols, on_device(dy), positive,
                                                       on_device(dx)};
    return launch_each(queue, rows, mask_cols / width, operation);
  });
}

template cudaError_t relu_forward(Queue, std::int64_t, std::int64_t, Rows<float>, std::uint8_t*);
template cudaError_t relu_forward(Queue, std::int64_t, std::int64_t, Rows<BFloat16>, std::uint8_t*);
template cudaError_t relu_backward(Queue, std::int64_t, std::int64_t, Rows<const float>, const std::uint8_t*,
                                   Rows<float>);
template cudaError_t relu_backward(Queue, std::int64_t, std::int64_t, Rows<const BFloat16>,
                                   const std::uint8_t*, Rows<BFloat16>);

}  // namespace cola::cuda
