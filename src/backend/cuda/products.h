#pragma once
#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>

#include "backend/context.h"
#include "backend/cuda/elements.h"
#include "backend/cuda/kernels/queue.h"
#include "backend/linear.h"
#include "core/matrix.h"

namespace cola::ops::cuda {

enum class Transpose : std::uint8_t { no, yes };

/// c [M, N] = addend [M, N] + op(a) [M, K] op(b) [K, N] + bias [N], then `relu`. a and b both f32 or both
/// bf16; c f32 or their dtype; `addend` of c's dtype, or c itself; it and `bias` may be empty.
struct Product {
  enum class Relu : std::uint8_t { none, forward, backward };

  ConstMatrixView a = {};
  Transpose transpose_a = Transpose::no;
  ConstMatrixView b = {};
  Transpose transpose_b = Transpose::no;
  BiasView bias = {};  // NOLINT(readability-redundant-member-init): GCC warns of a product without one
  ConstMatrixView addend = {};
  MatrixView c = {};
  Relu relu = Relu::none;            ///< forward: max(c, 0); backward: c where the mask says so
  std::uint8_t* positive = nullptr;  ///< the mask, relu_mask_bytes(M, N); forward: written unless null
};

/// Matrix products by cuBLASLt, accumulated in f32: without TF32, and with no reduction whose
/// order could differ from run to run. The algorithm for a shape is chosen once, by cuBLASLt's heuristic.
class Products {
 public:
  explicit Products(Memory& memory);
  ~Products();
  Products(const Products&) = delete;
  Products& operator=(const Products&) = delete;

  /// Shapes are checked by the caller. Counts 2 M N K flops.
  void multiply(Context& context, launch::Queue queue, const Product& product);

 private:
  /// What the choice of an algorithm depends on.
  struct Shape {
    std::int64_t m, n, k, lda, ldb, ldc, ld_addend;
    DType input, output, bias;
    bool transpose_a, transpose_b, has_bias, has_mask;
    Product::Relu relu;
    std::array<std::uint32_t, 4> alignments;  ///< in bytes, of a, b, c, addend

    auto operator<=>(const Shape&) const = default;
  };
  struct Plan;
  using Plans = std::map<Shape, Plan>;

  static Shape shape_of(const Product& product);
  /// Null where cuBLASLt has no algorithm.
  Plan* plan_of(const Shape& shape);
  /// With its ReLU in an epilogue, or, where there is no algorithm for that, in a kernel after it.
  void run(launch::Queue queue, const Product& product, const Shape& shape, const void* bias);

  static constexpr std::size_t workspace_bytes = std::size_t{32} << 20;
  static constexpr std::size_t most_plans = 8192;

  cublasLtHandle_t handle_ = nullptr;
  Buffer workspace_;
  std::unique_ptr<Plans> plans_;
};

}  // namespace cola::ops::cuda
