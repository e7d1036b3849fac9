#pragma once
#include <cstdint>

#if defined(__CUDACC__)
#define COLA_ON_BOTH __host__ __device__
#else
#define COLA_ON_BOTH
#endif

namespace cola::cuda {

/// Rows of a matrix in device memory: `stride` elements from one row to the next.
template <class T>
struct Rows {
  T* data = nullptr;
  std::int64_t stride = 0;

  [[nodiscard]] COLA_ON_BOTH T* operator[](std::int64_t row) const { return data + row * stride; }
};

}  // namespace cola::cuda

#undef COLA_ON_BOTH
