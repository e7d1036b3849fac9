#pragma once
#include <cstdint>

#include "backend/cpu_isa.h"

namespace cola::kernels {

/// The pieces of a blocked matrix product in f32 (Goto and van de Geijn, 2008): operands are packed into
/// panels, and one tile of the result at a time is summed in registers. bf16 (std::uint16_t) is widened while
/// it is packed. Strides in elements.
struct BlockedProductKernels {
  std::int64_t tile_rows = 0;  ///< of the left operand's panels
  std::int64_t tile_cols = 0;  ///< of the right operand's panels

  /// Packs `count` vectors of length `depth` into panels of `width` (tile_rows or tile_cols) vectors: panel p
  /// holds [depth][width] floats from panels[p * panel_size] on, element (k, i) from vector p width + i, zero
  /// past the last vector. Element k of vector i is source[i * stride + k] (along) or source[i + k * stride]
  /// (across).
  template <class T>
  using Pack = void (*)(std::int64_t count, std::int64_t depth, const T* source, std::int64_t stride,
                        std::int64_t width, float* panels, std::int64_t panel_size);

  /// c [rows, cols] = (or +=) the product of `rows` vectors packed by tile_rows and `cols` packed by
  /// tile_cols.
  using Multiply = void (*)(std::int64_t rows, std::int64_t cols, std::int64_t depth, const float* left,
                            const float* right, bool add, float* c, std::int64_t c_stride);

  Pack<float> pack_along_f32 = nullptr;
  Pack<float> pack_across_f32 = nullptr;
  Pack<std::uint16_t> pack_along_bf16 = nullptr;
  Pack<std::uint16_t> pack_across_bf16 = nullptr;
  Multiply multiply = nullptr;
};

[[nodiscard]] const BlockedProductKernels& blocked_product_kernels(ops::CpuIsa isa);

namespace isa_baseline {
extern const BlockedProductKernels blocked_product_table;
}
namespace isa_avx2 {
extern const BlockedProductKernels blocked_product_table;
}
namespace isa_avx512 {
extern const BlockedProductKernels blocked_product_table;
}
namespace isa_avx512_bf16 {
extern const BlockedProductKernels blocked_product_table;
}

}  // namespace cola::kernels
