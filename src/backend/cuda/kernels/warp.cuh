#pragma once
#include <cuda_runtime.h>

// Reductions in a fixed order: the same bits in every run. All lanes of a warp, all threads of a block take
// part, and all get the result.
namespace cola::cuda {

constexpr unsigned all_lanes = 0xFFFFFFFFU;
constexpr int warp_size = 32;

/// combine(own, other) over the `lanes` (a power of two) lanes around this one; combine is symmetric.
template <int lanes = warp_size, class T, class Combine>
__device__ __forceinline__ T warp_reduce(T value, const Combine& combine) {
#pragma unroll
  for (int bits = lanes / 2; bits > 0; bits /= 2) {
    value = combine(value, __shfl_xor_sync(all_lanes, value, bits));
  }
  return value;
}

template <int lanes = warp_size, class T>
__device__ __forceinline__ T warp_sum(T value) {
  return warp_reduce<lanes>(value, [](T a, T b) { return a + b; });
}
template <int lanes = warp_size>
__device__ __forceinline__ float warp_max(float value) {
  return warp_reduce<lanes>(value, [](float a, float b) { return fmaxf(a, b); });
}

constexpr int most_warps = 32;

/// The sum over a block. `partial` is shared memory for one T a warp, free again when every thread has
/// returned and met a barrier.
template <class T>
__device__ __forceinline__ T block_sum(T value, T* partial) {
  const int warps = static_cast<int>(blockDim.x) / warp_size;
  value = warp_sum(value);
  if (warps == 1) return value;
  if (threadIdx.x % warp_size == 0) partial[threadIdx.x / warp_size] = value;
  __syncthreads();
  T total = partial[0];
  for (int warp = 1; warp < warps; ++warp) total += partial[warp];
  return total;
}

}  // namespace cola::cuda
