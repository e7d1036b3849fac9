#pragma once
#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <span>

#include "backend/context.h"
#include "backend/cuda/elements.h"
#include "backend/cuda/kernels/queue.h"
#include "core/matrix.h"

namespace cola::ops::cuda {

enum class Transpose : std::uint8_t { no, yes };

/// Matrix products by cuBLASLt, accumulated in f32: without TF32, and with no reduction whose
/// order could differ from run to run. The algorithm for a shape is chosen once, by cuBLASLt's heuristic.
class Products {
 public:
  explicit Products(Memory& memory);
  ~Products();
  Products(const Products&) = delete;
  Products& operator=(const Products&) = delete;

  /// c [M, N] = addend [M, N] + op(a) [M, K] op(b) [K, N] + bias [N]. a and b both f32 or both bf16; c f32 or
  /// their dtype; `bias` f32; `addend` of c's dtype, or c itself; both may be empty. Shapes are checked by
  /// the caller. Counts 2 M N K flops.
  void multiply(Context& context, launch::Queue queue, ConstMatrixView a, Transpose transpose_a,
                ConstMatrixView b, Transpose transpose_b, std::span<const float> bias, ConstMatrixView addend,
                MatrixView c);

 private:
  /// What the choice of an algorithm depends on.
  struct Shape {
    std::int64_t m, n, k, lda, ldb, ldc, ld_addend;
    DType input, output, bias;
    bool transpose_a, transpose_b, has_bias;
    std::array<std::uint32_t, 5> alignments;  ///< in bytes, of a, b, c, bias, addend

    auto operator<=>(const Shape&) const = default;
  };
  struct Plan;
  using Plans = std::map<Shape, Plan>;

  /// Null where cuBLASLt has no algorithm.
  Plan* plan_of(const Shape& shape);

  static constexpr std::size_t workspace_bytes = std::size_t{32} << 20;
  static constexpr std::size_t most_plans = 8192;

  cublasLtHandle_t handle_ = nullptr;
  Buffer workspace_;
  std::unique_ptr<Plans> plans_;
};

}  // namespace cola::ops::cuda
