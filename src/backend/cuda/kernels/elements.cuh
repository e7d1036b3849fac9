#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "backend/cuda/kernels/launch.cuh"
#include "backend/cuda/kernels/ptx.cuh"
#include "backend/cuda/kernels/rows.h"
#include "core/dtype.h"

// Elements of any dtype as floats, 16 bytes at a time where rows are aligned, and grids of one thread for
// each `width` elements of a row.
namespace cola::cuda {

/// What device code calls a host element type of the same bits.
template <class T>
struct DeviceElement {
  using Type = T;
};
template <>
struct DeviceElement<BFloat16> {
  using Type = __nv_bfloat16;
};
template <>
struct DeviceElement<Float16> {
  using Type = __half;
};
template <class T>
using Element =
    std::conditional_t<std::is_const_v<T>, const typename DeviceElement<std::remove_const_t<T>>::Type,
                       typename DeviceElement<std::remove_const_t<T>>::Type>;
template <class T>
[[nodiscard]] __host__ __device__ Rows<Element<T>> on_device(Rows<T> rows) {
  return {reinterpret_cast<Element<T>*>(rows.data), rows.stride};
}

constexpr int wide = 8;  ///< elements of a thread where rows are aligned: 16 bytes of bf16

/// Whether `wide` elements at a time can be read and written in all of these.
template <class... T>
[[nodiscard]] bool are_aligned(std::int64_t cols, Rows<T>... rows) {
  const auto is_aligned = [](auto view) {
    constexpr std::int64_t bytes = sizeof(*view.data);
    return reinterpret_cast<std::uintptr_t>(view.data) % 16 == 0 && view.stride * bytes % 16 == 0;
  };
  return cols % wide == 0 && (is_aligned(rows) && ...);
}

/// Calls body(std::integral_constant<int, width>) with `wide` or 1.
template <class Body>
[[nodiscard]] cudaError_t with_width(bool aligned, const Body& body) {
  return aligned ? body(std::integral_constant<int, wide>()) : body(std::integral_constant<int, 1>());
}

__device__ __forceinline__ float to_float(float value) { return value; }
__device__ __forceinline__ float to_float(__nv_bfloat16 value) { return __bfloat162float(value); }
__device__ __forceinline__ float to_float(__half value) { return __half2float(value); }

__device__ __forceinline__ void store_float(float value, float* to) { *to = value; }
__device__ __forceinline__ void store_float(float value, __nv_bfloat16* to) {
  *to = __float2bfloat16_rn(value);
}

/// The elements of a 32-bit word as floats: one f32, or two 16-bit ones, the lower half first.
__device__ __forceinline__ void unpack(unsigned word, const float* /*tag*/, float* to) {
  *to = __uint_as_float(word);
}
__device__ __forceinline__ void unpack(unsigned word, const __nv_bfloat16* /*tag*/, float* to) {
  to[0] = __uint_as_float(word << 16);
  to[1] = __uint_as_float(word & 0xFFFF0000U);
}
__device__ __forceinline__ void unpack(unsigned word, const __half* /*tag*/, float* to) {
  to[0] = __half2float(__ushort_as_half(static_cast<unsigned short>(word & 0xFFFFU)));
  to[1] = __half2float(__ushort_as_half(static_cast<unsigned short>(word >> 16)));
}
__device__ __forceinline__ unsigned packed(const float* from, const float* /*tag*/) {
  return __float_as_uint(*from);
}
__device__ __forceinline__ unsigned packed(const float* from, const __nv_bfloat16* /*tag*/) {
  return pack(from[0], from[1]);
}

/// width elements; more than one are whole, aligned 16-byte words.
template <int width, class T>
__device__ __forceinline__ void load(const T* from, float (&to)[width]) {
  if constexpr (width == 1) {
    to[0] = to_float(*from);
  } else {
    constexpr int in_word = 4 / sizeof(T);
#pragma unroll
    for (int i = 0; i < width; i += 4 * in_word) {
      const uint4 words = *reinterpret_cast<const uint4*>(from + i);
      unpack(words.x, from, to + i);
      unpack(words.y, from, to + i + in_word);
      unpack(words.z, from, to + i + 2 * in_word);
      unpack(words.w, from, to + i + 3 * in_word);
    }
  }
}
template <int width, class T>
__device__ __forceinline__ void store(const float (&from)[width], T* to) {
  if constexpr (width == 1) {
    store_float(from[0], to);
  } else {
    constexpr int in_word = 4 / sizeof(T);
#pragma unroll
    for (int i = 0; i < width; i += 4 * in_word) {
      *reinterpret_cast<uint4*>(to + i) = {packed(from + i, to), packed(from + i + in_word, to),
                                           packed(from + i + 2 * in_word, to),
                                           packed(from + i + 3 * in_word, to)};
    }
  }
}

constexpr std::int64_t most_grid_rows = 65535;  ///< of a grid's y

[[nodiscard]] constexpr std::int64_t blocks_of(std::int64_t count, std::int64_t size) {
  return (count + size - 1) / size;
}

/// Threads of a block whose threads do `items` things: whole warps, at most `most`.
[[nodiscard]] constexpr unsigned threads_for(std::int64_t items, unsigned most) {
  return items >= most ? most : static_cast<unsigned>(blocks_of(items, 32) * 32);
}

template <class Operation>
__global__ void each_kernel(std::int64_t rows, std::int64_t items, Operation operation) {
  const std::int64_t item = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (item >= items) return;
  for (std::int64_t row = blockIdx.y; row < rows; row += gridDim.y) operation(row, item);
}

/// operation(row, item) by a thread each: 0 <= row < rows, 0 <= item < items.
template <class Operation>
[[nodiscard]] cudaError_t launch_each(Queue queue, std::int64_t rows, std::int64_t items,
                                      const Operation& operation) {
  if (rows == 0 || items == 0) return cudaSuccess;
  const unsigned threads = threads_for(items, 256);
  const dim3 grid(static_cast<unsigned>(blocks_of(items, threads)),
                  static_cast<unsigned>(rows < most_grid_rows ? rows : most_grid_rows));
  return launch(each_kernel<Operation>, grid, dim3(threads), 0, queue, rows, items, operation);
}

}  // namespace cola::cuda
