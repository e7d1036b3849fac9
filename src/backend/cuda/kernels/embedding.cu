#include "backend/cuda/kernels/embedding.h"

#include "backend/cuda/kernels/elements.cuh"

namespace cola::cuda {
namespace {

template <class From, class To, int width, bool scaled, bool add>
struct Gather {
  Rows<const From> x;
  const std::int32_t* indices;
  float scale;
  Rows<To> y;

  __device__ void operator()(std::int64_t row, std::int64_t item) const {
    const std::int64_t col = item * width;
    float values[width];
    load(x[indices[row]] + col, values);
    if constexpr (scaled) {
#pragma unroll
      for (int i = 0; i < width; ++i) values[i] *= scale;
    }
    if constexpr (add) {
      float before[width];
      load(y[row] + col, before);
#pragma unroll
      for (int i = 0; i < width; ++i) values[i] += before[i];
    }
    store(values, y[row] + col);
  }
};

/// The first of `count` sorted indices that is not below `bound`.
__device__ __forceinline__ std::int64_t lower_bound(const std::int32_t* indices, std::int64_t count,
                                                    std::int64_t bound) {
  std::int64_t begin = 0;
  while (count > 0) {
    const std::int64_t half = count / 2;
    const bool below = indices[begin + half] < bound;
    begin = below ? begin + half + 1 : begin;
    count = below ? count - half - 1 : half;
  }
  return begin;
}

template <class T, int width>
struct Scatter {
  std::int64_t count;
  Rows<const T> x;
  const std::int32_t* indices;
  Rows<T> y;

  __device__ void operator()(std::int64_t row, std::int64_t item) const {
    float sums[width] = {};
    for (std::int64_t i = lower_bound(indices, count, row); i < count && indices[i] == row; ++i) {
      float values[width];
      load(x[i] + item * width, values);
#pragma unroll
      for (int j = 0; j < width; ++j) sums[j] += values[j];
    }
    store(sums, y[row] + item * width);
  }
};

template <class T, int width, bool scaled>
struct AddGroups {
  Rows<const T> dy;
  const std::int32_t* order;
  const std::int32_t* begins;
  const std::int32_t* ids;
  float scale;
  Rows<float> dtable;

  __device__ void operator()(std::int64_t group, std::int64_t item) const {
    float* target = dtable[ids[group]] + item * width;
    float sums[width];
    load(target, sums);
    for (std::int32_t i = begins[group]; i < begins[group + 1]; ++i) {
      float values[width];
      load(dy[order[i]] + item * width, values);
#pragma unroll
      for (int j = 0; j < width; ++j) sums[j] += scaled ? scale * values[j] : values[j];
    }
    store(sums, target);
  }
};

}  // namespace

template <class From, class To>
cudaError_t gather_rows(Queue queue, std::int64_t rows, std::int64_t cols, Rows<const From> x,
                        const std::int32_t* indices, Rows<To> y) {
  return with_width(are_aligned(cols, x, y), [&](auto width) {
    const Gather<Element<From>, Element<To>, width, false, false> operation = {on_device(x), indices, 1.0F,
                                                                               on_device(y)};
    return launch_each(queue, rows, cols / width, operation);
  });
}

template <class T>
cudaError_t look_up(Queue queue, std::int64_t rows, std::int64_t cols, Rows<const T> x,
                    const std::int32_t* indices, float scale, bool add, Rows<T> y) {
  return with_width(are_aligned(cols, x, y), [&](auto width) {
    const auto run = [&](auto scaled, auto adds) {
      const Gather<Element<T>, Element<T>, width, scaled, adds> operation = {on_device(x), indices, scale,
                                                                             on_device(y)};
      return launch_each(queue, rows, cols / width, operation);
    };
    if (!add) return run(std::true_type(), std::false_type());
    return scale == 1.0F ? run(std::false_type(), std::true_type()) : run(std::true_type(), std::true_type());
  });
}

template <class T>
cudaError_t scatter_rows(Queue queue, std::int64_t count, std::int64_t rows, std::int64_t cols,
                         Rows<const T> x, const std::int32_t* indices, Rows<T> y) {
  return with_width(are_aligned(cols, x, y), [&](auto width) {
    const Scatter<Element<T>, width> operation = {count, on_device(x), indices, on_device(y)};
    return launch_each(queue, rows, cols / width, operation);
  });
}

template <class T>
cudaError_t embedding_backward(Queue queue, std::int64_t groups, std::int64_t cols, Rows<const T> dy,
                               const std::int32_t* order, const std::int32_t* begins, const std::int32_t* ids,
                               float scale, Rows<float> dtable) {
  return with_width(are_aligned(cols, dy, dtable), [&](auto width) {
    const auto run = [&](auto scaled) {
      const AddGroups<Element<T>, width, scaled> operation = {on_device(dy), order, begins,
                                                              ids,           scale, dtable};
      return launch_each(queue, groups, cols / width, operation);
    };
    return scale == 1.0F ? run(std::false_type()) : run(std::true_type());
  });
}

template cudaError_t gather_rows(Queue, std::int64_t, std::int64_t, Rows<const float>, const std::int32_t*,
                                 Rows<float>);
template cudaError_t gather_rows(Queue, std::int64_t, std::int64_t, Rows<const float>, const std::int32_t*,
                                 Rows<BFloat16>);
template cudaError_t gather_rows(Queue, std::int64_t, std::int64_t, Rows<const BFloat16>, const std::int32_t*,
                                 Rows<float>);
template cudaError_t gather_rows(Queue, std::int64_t, std::int64_t, Rows<const BFloat16>, const std::int32_t*,
                                 Rows<BFloat16>);
template cudaError_t gather_rows(Queue, std::int64_t, std::int64_t, Rows<const Float16>, const std::int32_t*,
                                 Rows<float>);
template cudaError_t gather_rows(Queue, std::int64_t, std::int64_t, Rows<const Float16>, const std::int32_t*,
                                 Rows<BFloat16>);
template cudaError_t look_up(Queue, std::int64_t, std::int64_t, Rows<const float>, const std::int32_t*, float,
                             bool, Rows<float>);
template cudaError_t look_up(Queue, std::int64_t, std::int64_t, Rows<const BFloat16>, const std::int32_t*,
                             float, bool, Rows<BFloat16>);
template cudaError_t scatter_rows(Queue, std::int64_t, std::int64_t, std::int64_t, Rows<const float>,
                                  const std::int32_t*, Rows<float>);
template cudaError_t scatter_rows(Queue, std::int64_t, std::int64_t, std::int64_t, Rows<const BFloat16>,
                                  const std::int32_t*, Rows<BFloat16>);
template cudaError_t embedding_backward(Queue, std::int64_t, std::int64_t, Rows<const float>,
                                        const std::int32_t*, const std::int32_t*, const std::int32_t*, float,
                                        Rows<float>);
template cudaError_t embedding_backward(Queue, std::int64_t, std::int64_t, Rows<const BFloat16>,
                                        const std::int32_t*, const std::int32_t*, const std::int32_t*, float,
                                        Rows<float>);

}  // namespace cola::cuda
