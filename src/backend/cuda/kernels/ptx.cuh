#pragma once
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>

// Instructions that CUDA C++ has no name for (sm_80 on); the emulation of the tests has a header of this name
// instead. Register layouts: PTX ISA, "Matrix fragments for mma.m16n8k16" and "ldmatrix".
namespace cola::cuda {

/// 16 bytes to shared memory, asynchronously: `bytes` (0 to 16) of source, zeros behind. Both 16-byte
/// aligned.
__device__ __forceinline__ void copy_async(void* shared, const void* global, int bytes) {
  const auto to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(to), "l"(global), "r"(bytes)
               : "memory");
}
/// Closes a group of copies.
__device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;\n" ::: "memory"); }
/// Waits for this thread's groups but the last `pending`.
template <int pending>
__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(pending) : "memory");
}

/// Four 8 x 8 matrices of bf16: lane l gives row l % 8 of matrix l / 8 (16 bytes, aligned), and gets of
/// matrix i in registers[i] row l / 4, columns 2 (l % 4) and the next.
__device__ __forceinline__ void load_matrices(std::uint32_t (&registers)[4], const void* row) {
  const auto from = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
               : "r"(from)
               : "memory");
}
/// The same of the matrices' transposes.
__device__ __forceinline__ void load_matrices_transposed(std::uint32_t (&registers)[4], const void* row) {
  const auto from = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
               : "r"(from)
               : "memory");
}

/// c [16, 8] += a [16, 16] b [16, 8] by a warp. With g = lane / 4 and p = 2 (lane % 4): a0 is row g, columns
/// p and p + 1; a1 row g + 8; a2, a3 the same 8 columns on; b0 rows p, p + 1 of column g, b1 8 rows on; c0,
/// c1 row g, columns p, p + 1; c2, c3 row g + 8.
__device__ __forceinline__ void multiply_add(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                                             std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};\n"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/// Two floats as bf16, rounded to nearest even: `low` in the lower half.
__device__ __forceinline__ std::uint32_t pack(float low, float high) {
  std::uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;\n" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}

}  // namespace cola::cuda
