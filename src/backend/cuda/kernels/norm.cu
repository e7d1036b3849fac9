#include "backend/cuda/kernels/norm.h"

#include "backend/cuda/kernels/column_sums.cuh"
#include "backend/cuda/kernels/elements.cuh"
#include "backend/cuda/kernels/warp.cuh"

// A block does a row; it reads the row again where it needs it again, from the cache.
namespace cola::cuda {
namespace {

struct Layer {
  static constexpr bool centered = true, unit_offset = false, rounds_before_weight = false;
};
template <bool offset, bool rounds = false>
struct Rms {
  static constexpr bool centered = false, unit_offset = offset, rounds_before_weight = rounds;
};

/// Loads weights as the norm multiplies by them.
template <class Norm, int width>
__device__ __forceinline__ void load_factors(const float* weight, float (&factors)[width]) {
  load(weight, factors);
  if constexpr (Norm::unit_offset) {
#pragma unroll
    for (int i = 0; i < width; ++i) factors[i] += 1.0F;
  }
}

template <class T>
struct Forward {
  std::int64_t cols;
  Rows<const T> x;
  const float* weight;
  const float* bias;
  float eps;
  Rows<T> y;
  float* mean;
  float* rstd;
};

template <int width, class Body>
__device__ __forceinline__ void for_each_col(std::int64_t cols, const Body& body) {
  for (std::int64_t col = threadIdx.x * width; col < cols; col += blockDim.x * width) body(col);
}

/// 1 / sqrt(mean_square + eps), but NaN instead of the 0 that would make an overflowing row one of zeros.
__device__ __forceinline__ float reciprocal_root(float mean_square, float eps) {
  const float root = sqrtf(mean_square + eps);
  return root < INFINITY ? 1.0F / root : NAN;
}

template <class T, int width, class Norm>
__global__ void forward_kernel(Forward<T> work) {
  using Partial = float[2][most_warps];
  Partial& partial = *shared_memory<Partial>();
  const std::int64_t row = blockIdx.x;
  const T* x = work.x[row];
  const auto count = static_cast<float>(work.cols);

  float mean = 0.0F;
  if constexpr (Norm::centered) {
    float sum = 0.0F;
    for_each_col<width>(work.cols, [&](std::int64_t col) {
      float values[width];
      load(x + col, values);
#pragma unroll
      for (int i = 0; i < width; ++i) sum += values[i];
    });
    mean = block_sum(sum, partial[0]) / count;
  }
  float squares =
      0.0F;  // of deviations from the mean: one pass would lose a small variance beside a large mean
  for_each_col<width>(work.cols, [&](std::int64_t col) {
    float values[width];
    load(x + col, values);
#pragma unroll
    for (int i = 0; i < width; ++i) squares += (values[i] - mean) * (values[i] - mean);
  });
  const float rstd = reciprocal_root(block_sum(squares, partial[1]) / count, work.eps);
  if (threadIdx.x == 0) {
    if constexpr (Norm::centered) work.mean[row] = mean;
    work.rstd[row] = rstd;
  }
  for_each_col<width>(work.cols, [&](std::int64_t col) {
    float values[width];
    float factors[width];
    load(x + col, values);
    load_factors<Norm>(work.weight + col, factors);
#pragma unroll
    for (int i = 0; i < width; ++i) {
      values[i] = (values[i] - mean) * rstd;
      if constexpr (Norm::rounds_before_weight) {
        T rounded;
        store_float(values[i], &rounded);
        values[i] = to_float(rounded);
      }
      values[i] *= factors[i];
    }
    if constexpr (Norm::centered) {
      float bias[width];
      load(work.bias + col, bias);
#pragma unroll
      for (int i = 0; i < width; ++i) values[i] += bias[i];
    }
    store(values, work.y[row] + col);
  });
}

template <class T>
struct Backward {
  std::int64_t cols;
  Rows<const T> dy, x;
  const float* weight;
  const float* mean;
  const float* rstd;
  Rows<T> dx;
};

/// With n the normalised row and g = dy weight: dx = rstd (g - mean(g) - n mean(g n)); RMS norm has mean 0
/// and no mean(g) term.
template <class T, int width, class Norm, bool add>
__global__ void backward_kernel(Backward<T> work) {
  using Partial = float[2][most_warps];
  Partial& partial = *shared_memory<Partial>();
  const std::int64_t row = blockIdx.x;
  const float rstd = work.rstd[row];
  const float mean = Norm::centered ? work.mean[row] : 0.0F;
  const auto count = static_cast<float>(work.cols);

  const auto gradient_and_normalised = [&](std::int64_t col, float(&g)[width], float(&n)[width]) {
    float factors[width];
    load(work.dy[row] + col, g);
    load(work.x[row] + col, n);
    load_factors<Norm>(work.weight + col, factors);
#pragma unroll
    for (int i = 0; i < width; ++i) {
      g[i] *= factors[i];
      n[i] = (n[i] - mean) * rstd;
    }
  };
  float sum = 0.0F;
  float projection = 0.0F;
  for_each_col<width>(work.cols, [&](std::int64_t col) {
    float g[width];
    float n[width];
    gradient_and_normalised(col, g, n);
#pragma unroll
    for (int i = 0; i < width; ++i) {
      sum += g[i];
      projection += g[i] * n[i];
    }
  });
  const float mean_gradient = Norm::centered ? block_sum(sum, partial[0]) / count : 0.0F;
  const float mean_projection = block_sum(projection, partial[1]) / count;
  for_each_col<width>(work.cols, [&](std::int64_t col) {
    float g[width];
    float n[width];
    gradient_and_normalised(col, g, n);
#pragma unroll
    for (int i = 0; i < width; ++i) g[i] = rstd * (g[i] - mean_gradient - n[i] * mean_projection);
    if constexpr (add) {
      float before[width];
      load(work.dx[row] + col, before);
#pragma unroll
      for (int i = 0; i < width; ++i) g[i] += before[i];
    }
    store(g, work.dx[row] + col);
  });
}

/// dweight's terms: dy times the normalised row; dbias's where `of_bias`.
template <class T, int width, bool of_bias>
struct WeightTerm {
  Rows<const T> dy, x;
  const float* mean;
  const float* rstd;

  __device__ void operator()(std::int64_t row, std::int64_t col, float (&sums)[width]) const {
    float d[width];
    load(dy[row] + col, d);
    if constexpr (!of_bias) {
      const float center = mean == nullptr ? 0.0F : mean[row];
      float values[width];
      load(x[row] + col, values);
#pragma unroll
      for (int i = 0; i < width; ++i) d[i] *= (values[i] - center) * rstd[row];
    }
#pragma unroll
    for (int i = 0; i < width; ++i) sums[i] += d[i];
  }
};

Rows<const float> vector(const float* data) { return {data, 0}; }

constexpr std::size_t shared_bytes = sizeof(float[2][most_warps]);

template <class Norm, class T>
cudaError_t forward(Queue queue, const NormForward<T>& work) {
  if (work.rows == 0 || work.cols == 0) return cudaSuccess;
  const bool aligned = are_aligned(work.cols, work.x, work.y, vector(work.weight), vector(work.bias));
  return with_width(aligned, [&](auto width) {
    const Forward<Element<T>> on = {work.cols, on_device(work.x), work.weight, work.bias,
                                    work.eps,  on_device(work.y), work.mean,   work.rstd};
    return launch(forward_kernel<Element<T>, width, Norm>, dim3(static_cast<unsigned>(work.rows)),
                  dim3(threads_for(work.cols / width, 256)), shared_bytes, queue, on);
  });
}

template <class T, int width>
cudaError_t weight_gradients(Queue queue, const NormBackward<T>& work) {
  const Rows<const Element<T>> dy = on_device(work.dy);
  const Rows<const Element<T>> x = on_device(work.x);
  if (work.dweight != nullptr) {
    const WeightTerm<Element<T>, width, false> term = {dy, x, work.mean, work.rstd};
    const cudaError_t error =
        add_column_sums<width>(queue, work.rows, work.cols, term, work.scratch, work.dweight);
    if (error != cudaSuccess) return error;
  }
  if (work.dbias == nullptr) return cudaSuccess;
  const WeightTerm<Element<T>, width, true> term = {dy, x, work.mean, work.rstd};
  return add_column_sums<width>(queue, work.rows, work.cols, term, work.scratch, work.dbias);
}

template <class Norm, class T>
cudaError_t backward(Queue queue, const NormBackward<T>& work) {
  if (work.rows == 0 || work.cols == 0) return cudaSuccess;
  const bool aligned = are_aligned(work.cols, work.dy, work.x, work.dx, vector(work.weight));
  return with_width(aligned, [&](auto width) {
    // First, while dy and x are what they are: dx may be one of them.
    const cudaError_t error = weight_gradients<T, width>(queue, work);
    if (error != cudaSuccess) return error;
    const Backward<Element<T>> on = {work.cols, on_device(work.dy), on_device(work.x), work.weight,
                                     work.mean, work.rstd,          on_device(work.dx)};
    const auto kernel = work.add ? backward_kernel<Element<T>, width, Norm, true>
                                 : backward_kernel<Element<T>, width, Norm, false>;
    return launch(kernel, dim3(static_cast<unsigned>(work.rows)), dim3(threads_for(work.cols / width, 256)),
                  shared_bytes, queue, on);
  });
}

}  // namespace

std::int64_t norm_backward_scratch(std::int64_t rows, std::int64_t cols) { return partial_sums(rows) * cols; }

template <class T>
cudaError_t layer_norm_forward(Queue queue, const NormForward<T>& work) {
  return forward<Layer>(queue, work);
}
template <class T>
cudaError_t rms_norm_forward(Queue queue, const NormForward<T>& work) {
  if (work.rounds_before_weight)
    return work.unit_offset ? forward<Rms<true, true>>(queue, work) : forward<Rms<false, true>>(queue, work);
  return work.unit_offset ? forward<Rms<true>>(queue, work) : forward<Rms<false>>(queue, work);
}
template <class T>
cudaError_t layer_norm_backward(Queue queue, const NormBackward<T>& work) {
  return backward<Layer>(queue, work);
}
template <class T>
cudaError_t rms_norm_backward(Queue queue, const NormBackward<T>& work) {
  return work.unit_offset ? backward<Rms<true>>(queue, work) : backward<Rms<false>>(queue, work);
}

template cudaError_t layer_norm_forward(Queue, const NormForward<float>&);
template cudaError_t layer_norm_forward(Queue, const NormForward<BFloat16>&);
template cudaError_t rms_norm_forward(Queue, const NormForward<float>&);
template cudaError_t rms_norm_forward(Queue, const NormForward<BFloat16>&);
template cudaError_t layer_norm_backward(Queue, const NormBackward<float>&);
template cudaError_t layer_norm_backward(Queue, const NormBackward<BFloat16>&);
template cudaError_t rms_norm_backward(Queue, const NormBackward<float>&);
template cudaError_t rms_norm_backward(Queue, const NormBackward<BFloat16>&);

}  // namespace cola::cuda
