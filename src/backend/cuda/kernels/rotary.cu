#include "backend/cuda/kernels/rotary.h"

#include "backend/cuda/kernels/elements.cuh"

namespace cola::cuda {
namespace {

template <class T, int width>
struct Rotary {
  std::int64_t head_dim, half;
  Rows<T> x;
  const std::int32_t* positions;
  Rows<const float> cos, sin;
  float sign;

  /// item: width pairs of a head.
  __device__ void operator()(std::int64_t row, std::int64_t item) const {
    const std::int64_t head = item * width / half;
    const std::int64_t at = item * width - head * half;
    T* first = x[row] + head * head_dim + at;
    float a[width];
    float b[width];
    float cosine[width];
    float sine[width];
    load(first, a);
    load(first + half, b);
    load(cos[positions[row]] + at, cosine);
    load(sin[positions[row]] + at, sine);
#pragma unroll
    for (int i = 0; i < width; ++i) {
      const float s = sign * sine[i];
      const float turned = a[i] * cosine[i] - b[i] * s;
      b[i] = b[i] * cosine[i] + a[i] * s;
      a[i] = turned;
    }
    store(a, first);
    store(b, first + half);
  }
};

}  // namespace

template <class T>
cudaError_t rotary(Queue queue, std::int64_t rows, std::int64_t heads, std::int64_t head_dim,
                   std::int64_t half, Rows<T> x, const std::int32_t* positions, Rows<const float> cos,
                   Rows<const float> sin, bool inverse) {
  return with_width(head_dim % wide == 0 && are_aligned(half, x, cos, sin), [&](auto width) {
    const Rotary<Element<T>, width> operation = {head_dim, half, on_device(x),          positions,
                                                 cos,      sin,  inverse ? -1.0F : 1.0F};
    return launch_each(queue, rows, heads * half / width, operation);
  });
}

template cudaError_t rotary(Queue, std::int64_t, std::int64_t, std::int64_t, std::int64_t, Rows<float>,
                            const std::int32_t*, Rows<const float>, Rows<const float>, bool);
template cudaError_t rotary(Queue, std::int64_t, std::int64_t, std::int64_t, std::int64_t, Rows<BFloat16>,
                            const std::int32_t*, Rows<const float>, Rows<const float>, bool);

}  // namespace cola::cuda
