#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <source_location>

#include "cuda_runtime_api.h"
#include "emulator.h"

// The part of CUDA C++ that kernels use, as C++: a thread of a block is a fiber (emulator.h).

// NOLINTBEGIN: CUDA's names
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

inline const dim3& threadIdx = cola::emulation::thread_index;
inline const dim3& blockIdx = cola::emulation::block_index;
inline const dim3& blockDim = cola::emulation::block_size;
inline const dim3& gridDim = cola::emulation::grid_size;

inline void __syncthreads(std::source_location site = std::source_location::current()) {
  cola::emulation::block_barrier(site);
}
inline void __syncwarp(std::source_location site = std::source_location::current()) {
  cola::emulation::warp_collective(nullptr, [](const cola::emulation::Lanes&) {}, site);
}

template <class T>
T __shfl_sync(unsigned mask, T value, int source,
              std::source_location site = std::source_location::current()) {
  return cola::emulation::exchange(mask, value, source, site);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits,
                  std::source_location site = std::source_location::current()) {
  return cola::emulation::exchange(mask, value, cola::emulation::lane() ^ bits, site);
}

inline float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
inline unsigned __float_as_uint(float value) { return std::bit_cast<unsigned>(value); }
// NOLINTEND
