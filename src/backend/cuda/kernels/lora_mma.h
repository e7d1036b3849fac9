#pragma once
#include "backend/cuda/kernels/elements.cuh"
#include "backend/cuda/kernels/lora.h"

// What lora.h says of aligned bf16 matrices.
namespace cola::cuda {

constexpr std::size_t most_products = 8;  ///< of one launch

/// What a kernel is given of up to most_products products.
template <class Product>
struct Products {
  Product at[most_products];
};

template <class Product>
[[nodiscard]] bool has_tensor_layout(const Product& product) {
  return are_aligned(product.cols, product.wide);
}

// At most most_products each.
[[nodiscard]] cudaError_t mma_dots(Queue queue, std::int64_t rows,
                                   std::span<const ThinDot<BFloat16>> products);
[[nodiscard]] cudaError_t mma_expands(Queue queue, std::int64_t rows,
                                      std::span<const ThinExpand<BFloat16>> products);
/// Floats of scratch memory for mma_outers of one product.
[[nodiscard]] std::int64_t mma_outer_scratch(std::int64_t rows, const ThinOuter<BFloat16>& product);
[[nodiscard]] cudaError_t mma_outers(Queue queue, std::int64_t rows,
                                     std::span<const ThinOuter<BFloat16>> products, float* scratch);

}  // namespace cola::cuda
