#pragma once
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>

// In place of src/backend/cuda/kernels/ptx.cuh. Products of two bf16 are exact in f32; they are added one
// after the other, where the device's order is not told.
namespace cola::cuda {

inline void copy_async(void* shared, const void* global, int bytes) {
  emulation::copy_later(shared, global, static_cast<std::size_t>(bytes));
}
inline void commit_copies() { emulation::commit_copies(); }
template <int pending>
void wait_for_copies() {
  emulation::wait_for_copies(pending);
}

void load_matrices(std::uint32_t (&registers)[4], const void* row,
                   std::source_location site = std::source_location::current());
void load_matrices_transposed(std::uint32_t (&registers)[4], const void* row,
                              std::source_location site = std::source_location::current());
void multiply_add(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1,
                  std::source_location site = std::source_location::current());

inline std::uint32_t pack(float low, float high) {
  return __float2bfloat16_rn(low).bits | static_cast<std::uint32_t>(__float2bfloat16_rn(high).bits) << 16;
}

}  // namespace cola::cuda
