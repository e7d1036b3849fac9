#pragma once
#include <cstddef>

// The part of CUDA's runtime API that launchers use. A test's memory is "device" memory, every stream is in
// order.

struct CUstream_st;
using cudaStream_t = CUstream_st*;

// NOLINTBEGIN(readability-identifier-naming): CUDA's names
enum cudaError {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorLaunchFailure = 719,
};
using cudaError_t = cudaError;

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  // NOLINTNEXTLINE(google-explicit-constructor): as in CUDA
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
// NOLINTEND(readability-identifier-naming)
