#include "backend/cuda/kernels/elementwise.h"

#include "backend/cuda/kernels/column_sums.cuh"
#include "backend/cuda/kernels/elements.cuh"

namespace cola::cuda {
namespace {

template <class T, int width, bool scaled>
struct Add {
  Rows<const T> a, b;
  float scale;
  Rows<T> y;

  __device__ void operator()(std::int64_t row, std::int64_t item) const {
    const std::int64_t col = item * width;
    float left[width];
    float right[width];
    load(a[row] + col, left);
    load(b[row] + col, right);
#pragma unroll
    for (int i = 0; i < width; ++i) left[i] += scaled ? scale * right[i] : right[i];
    store(left, y[row] + col);
  }
};

template <class T, int width>
struct Scale {
  Rows<const T> x;
  float factor;
  Rows<T> y;

  __device__ void operator()(std::int64_t row, std::int64_t item) const {
    float values[width];
    load(x[row] + item * width, values);
#pragma unroll
    for (int i = 0; i < width; ++i) values[i] *= factor;
    store(values, y[row] + item * width);
  }
};

struct Tangent {
  float value, slope;
};

struct Silu {
  static __device__ __forceinline__ float value(float z) { return z / (1.0F + expf(-z)); }
  static __device__ __forceinline__ Tangent tangent(float z) {
    const float sigmoid = 1.0F / (1.0F + expf(-z));
    const float complement = 1.0F / (1.0F + expf(z));  // 1 - sigmoid without cancellation
    return {z * sigmoid, sigmoid * (1.0F + z * complement)};
  }
};

/// z sigmoid(w), w = 2 sqrt(2 / pi) (z + 0.044715 z^3): (1 + tanh(u)) / 2 = sigmoid(2 u).
struct GeluTanh {
  static constexpr float linear = 1.5957691216F;  // 2 sqrt(2 / pi)
  static constexpr float cubic = 0.0713548163F;   // 0.044715 of it
  static __device__ __forceinline__ float value(float z) {
    return z / (1.0F + expf(-z * (linear + cubic * (z * z))));
  }
  static __device__ __forceinline__ Tangent tangent(float z) {
    const float w = z * (linear + cubic * (z * z));
    const float sigmoid = 1.0F / (1.0F + expf(-w));
    const float complement = 1.0F / (1.0F + expf(w));
    return {z * sigmoid, sigmoid * (1.0F + z * (linear + 3.0F * cubic * (z * z)) * complement)};
  }
};

template <class T, int width, class Function>
struct GateForward {
  Rows<const T> gate, up;
  Rows<T> h;

  __device__ void operator()(std::int64_t row, std::int64_t item) const {
    const std::int64_t col = item * width;
    float g[width];
    float u[width];
    load(gate[row] + col, g);
    load(up[row] + col, u);
#pragma unroll
    for (int i = 0; i < width; ++i) g[i] = Function::value(g[i]) * u[i];
    store(g, h[row] + col);
  }
};

template <class T, int width, class Function>
struct GateBackward {
  Rows<const T> dh, gate, up;
  Rows<T> dgate, dup;

  __device__ void operator()(std::int64_t row, std::int64_t item) const {
    const std::int64_t col = item * width;
    float d[width];
    float g[width];
    float u[width];
    load(dh[row] + col, d);
    load(gate[row] + col, g);
    load(up[row] + col, u);
#pragma unroll
    for (int i = 0; i < width; ++i) {
      const Tangent f = Function::tangent(g[i]);
      u[i] *= d[i] * f.slope;
      d[i] *= f.value;
    }
    store(u, dgate[row] + col);
    store(d, dup[row] + col);
  }
};

/// Calls body with a Silu or a GeluTanh.
template <class Body>
[[nodiscard]] cudaError_t with_function(Gate function, const Body& body) {
  return function == Gate::silu ? body(Silu()) : body(GeluTanh());
}

/// The four words of the Philox4x32-10 block with counter (block, token key, 0).
__device__ __forceinline__ void philox(std::uint32_t block, std::uint64_t token_key, const DropoutMask& mask,
                                       std::uint32_t (&words)[4]) {
  std::uint32_t counter[4] = {block, static_cast<std::uint32_t>(token_key),
                              static_cast<std::uint32_t>(token_key >> 32), 0};
  std::uint32_t key0 = mask.key[0];
  std::uint32_t key1 = mask.key[1];
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53U} * counter[0];
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57U} * counter[2];
    counter[0] = static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key0;
    counter[1] = static_cast<std::uint32_t>(product1);
    counter[2] = static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key1;
    counter[3] = static_cast<std::uint32_t>(product0);
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) words[i] = counter[i];
}

template <class T, int width>
struct Dropout {
  Rows<const T> x;
  DropoutMask mask;
  const std::uint64_t* token_keys;
  Rows<T> y;

  __device__ void operator()(std::int64_t row, std::int64_t item) const {
    const std::int64_t col = item * width;
    const float scale = 1.0F / (1.0F - mask.probability);
    float values[width];
    load(x[row] + col, values);
    std::uint32_t words[4];
#pragma unroll
    for (int i = 0; i < width; ++i) {
      const std::int64_t at = col + i;
      if (i % 4 == 0) philox(static_cast<std::uint32_t>(at / 4), token_keys[row], mask, words);
      const std::uint32_t word = width == 1 ? words[at % 4] : words[i % 4];
      const float uniform = static_cast<float>(word >> 8) * 0x1p-24F;
      values[i] = uniform >= mask.probability ? values[i] * scale : 0.0F;
    }
    store(values, y[row] + col);
  }
};

template <class From, class To, int width>
struct Convert {
  Rows<const From> source;
  Rows<To> destination;

  __device__ void operator()(std::int64_t row, std::int64_t item) const {
    float values[width];
    load(source[row] + item * width, values);
    store(values, destination[row] + item * width);
  }
};

template <class T, int width>
struct SumColumn {
  Rows<const T> x;

  __device__ void operator()(std::int64_t row, std::int64_t col, float (&sums)[width]) const {
    float values[width];
    load(x[row] + col, values);
#pragma unroll
    for (int i = 0; i < width; ++i) sums[i] += values[i];
  }
};

}  // namespace

template <class T>
cudaError_t add(Queue queue, std::int64_t rows, std::int64_t cols, Rows<const T> a, Rows<const T> b,
                float scale, Rows<T> y) {
  return with_width(are_aligned(cols, a, b, y), [&](auto width) {
    const auto run = [&](auto scaled) {
      const Add<Element<T>, width, scaled> operation = {on_device(a), on_device(b), scale, on_device(y)};
      return launch_each(queue, rows, cols / width, operation);
    };
    return scale == 1.0F ? run(std::false_type()) : run(std::true_type());
  });
}

template <class T>
cudaError_t scale(Queue queue, std::int64_t rows, std::int64_t cols, Rows<const T> x, float factor,
                  Rows<T> y) {
  return with_width(are_aligned(cols, x, y), [&](auto width) {
    const Scale<Element<T>, width> operation = {on_device(x), factor, on_device(y)};
    return launch_each(queue, rows, cols / width, operation);
  });
}

template <class T>
cudaError_t gate_forward(Queue queue, Gate function, std::int64_t rows, std::int64_t cols, Rows<const T> gate,
                         Rows<const T> up, Rows<T> h) {
  return with_width(are_aligned(cols, gate, up, h), [&](auto width) {
    return with_function(function, [&]<class Function>(Function) {
      const GateForward<Element<T>, width, Function> operation = {on_device(gate), on_device(up),
                                                                  on_device(h)};
      return launch_each(queue, rows, cols / width, operation);
    });
  });
}

template <class T>
cudaError_t gate_backward(Queue queue, Gate function, std::int64_t rows, std::int64_t cols, Rows<const T> dh,
                          Rows<const T> gate, Rows<const T> up, Rows<T> dgate, Rows<T> dup) {
  return with_width(are_aligned(cols, dh, gate, up, dgate, dup), [&](auto width) {
    return with_function(function, [&]<class Function>(Function) {
      const GateBackward<Element<T>, width, Function> operation = {
          on_device(dh), on_device(gate), on_device(up), on_device(dgate), on_device(dup)};
      return launch_each(queue, rows, cols / width, operation);
    });
  });
}

template <class T>
cudaError_t dropout(Queue queue, std::int64_t rows, std::int64_t cols, Rows<const T> x,
                    const DropoutMask& mask, const std::uint64_t* token_keys, Rows<T> y) {
  return with_width(are_aligned(cols, x, y), [&](auto width) {
    const Dropout<Element<T>, width> operation = {on_device(x), mask, token_keys, on_device(y)};
    return launch_each(queue, rows, cols / width, operation);
  });
}

template <class From, class To>
cudaError_t convert(Queue queue, std::int64_t rows, std::int64_t cols, Rows<const From> source,
                    Rows<To> destination) {
  return with_width(are_aligned(cols, source, destination), [&](auto width) {
    const Convert<Element<From>, Element<To>, width> operation = {on_device(source), on_device(destination)};
    return launch_each(queue, rows, cols / width, operation);
  });
}

std::int64_t column_sums_scratch(std::int64_t rows, std::int64_t cols) { return partial_sums(rows) * cols; }

template <class T>
cudaError_t column_sums(Queue queue, std::int64_t rows, std::int64_t cols, Rows<const T> x, float* scratch,
                        float* sums) {
  return with_width(are_aligned(cols, x), [&](auto width) {
    return add_column_sums<width>(queue, rows, cols, SumColumn<Element<T>, width>{on_device(x)}, scratch,
                                  sums);
  });
}

template cudaError_t add(Queue, std::int64_t, std::int64_t, Rows<const float>, Rows<const float>, float,
                         Rows<float>);
template cudaError_t add(Queue, std::int64_t, std::int64_t, Rows<const BFloat16>, Rows<const BFloat16>, float,
                         Rows<BFloat16>);
template cudaError_t scale(Queue, std::int64_t, std::int64_t, Rows<const float>, float, Rows<float>);
template cudaError_t scale(Queue, std::int64_t, std::int64_t, Rows<const BFloat16>, float, Rows<BFloat16>);
template cudaError_t gate_forward(Queue, Gate, std::int64_t, std::int64_t, Rows<const float>,
                                  Rows<const float>, Rows<float>);
template cudaError_t gate_forward(Queue, Gate, std::int64_t, std::int64_t, Rows<const BFloat16>,
                                  Rows<const BFloat16>, Rows<BFloat16>);
template cudaError_t gate_backward(Queue, Gate, std::int64_t, std::int64_t, Rows<const float>,
                                   Rows<const float>, Rows<const float>, Rows<float>, Rows<float>);
template cudaError_t gate_backward(Queue, Gate, std::int64_t, std::int64_t, Rows<const BFloat16>,
                                   Rows<const BFloat16>, Rows<const BFloat16>, Rows<BFloat16>,
                                   Rows<BFloat16>);
template cudaError_t dropout(Queue, std::int64_t, std::int64_t, Rows<const float>, const DropoutMask&,
                             const std::uint64_t*, Rows<float>);
template cudaError_t dropout(Queue, std::int64_t, std::int64_t, Rows<const BFloat16>, const DropoutMask&,
                             const std::uint64_t*, Rows<BFloat16>);
template cudaError_t convert(Queue, std::int64_t, std::int64_t, Rows<const float>, Rows<float>);
template cudaError_t convert(Queue, std::int64_t, std::int64_t, Rows<const float>, Rows<BFloat16>);
template cudaError_t convert(Queue, std::int64_t, std::int64_t, Rows<const BFloat16>, Rows<float>);
template cudaError_t convert(Queue, std::int64_t, std::int64_t, Rows<const BFloat16>, Rows<BFloat16>);
template cudaError_t convert(Queue, std::int64_t, std::int64_t, Rows<const Float16>, Rows<float>);
template cudaError_t convert(Queue, std::int64_t, std::int64_t, Rows<const Float16>, Rows<BFloat16>);
template cudaError_t column_sums(Queue, std::int64_t, std::int64_t, Rows<const float>, float*, float*);
template cudaError_t column_sums(Queue, std::int64_t, std::int64_t, Rows<const BFloat16>, float*, float*);

}  // namespace cola::cuda
