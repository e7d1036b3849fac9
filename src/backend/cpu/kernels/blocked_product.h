#pragma once
#include <cstdint>

#include "backend/cpu/kernels/rows.h"
#include "backend/cpu_isa.h"

namespace cola::kernels {

/// Most words of packed operands that are summed at a time: what a packed row of the left operand has room
/// for.
constexpr std::int64_t blocked_words = 256;

/// What becomes of a block's sums over `depth` terms. T is float or std::uint16_t (bf16).
template <class T>
struct BlockedResult {
  Rows<float> sums;   ///< the sums of earlier terms and, unless `last`, of these; may be c itself
  bool given;         ///< whether there are earlier terms
  bool last;          ///< no terms follow: c is written
  Rows<T> c;          ///< the result, or c += that
  bool add;           ///< of c
  const float* bias;  ///< of the columns; may be null
};

/// The pieces of a blocked matrix product (Goto and van de Geijn, 2008): operands are packed in words of 32
/// bits, and one tile of the result at a time is summed in registers, in f32. A word is a term's f32, bf16
/// (std::uint16_t) being widened while it is packed; or two terms' bf16. Strides in elements.
struct BlockedProductKernels {
  std::int64_t tile_rows = 0;
  std::int64_t tile_cols = 0;
  std::int64_t terms_of_word = 0;

  /// Element k of vector i is source[i * stride + k] (along) or source[i + k * stride] (across). A vector of
  /// the left operand is packed at left[i * blocked_words]; those of the right operand in panels of
  /// tile_cols, panel p as [words of depth][tile_cols] from panels[p * panel_size] on. Zeros make the last
  /// word, tile or panel whole.
  template <class T>
  using PackLeft = void (*)(std::int64_t count, std::int64_t depth, const T* source, std::int64_t stride,
                            float* left);
  template <class T>
  using PackRight = void (*)(std::int64_t count, std::int64_t depth, const T* source, std::int64_t stride,
                             float* panels, std::int64_t panel_size);

  template <class T>
  struct Packing {
    PackLeft<T> left_along = nullptr, left_across = nullptr;
    PackRight<T> right_along = nullptr, right_across = nullptr;
  };

  /// The products of `rows` vectors of the left operand, up to tile_rows, and `cols` of the right one.
  /// tile_rows vectors of whole words that lie along need no packing: `left` may be their place, its stride
  /// in words.
  template <class T>
  using Multiply = void (*)(std::int64_t rows, std::int64_t cols, std::int64_t depth, Rows<const float> left,
                            const float* right, const BlockedResult<T>& result);

  Packing<float> f32;  ///< null where words hold two terms
  Packing<std::uint16_t> bf16;
  Multiply<float> multiply_to_f32 = nullptr;
  Multiply<std::uint16_t> multiply_to_bf16 = nullptr;
};

/// Of operands in f32 and bf16, or with `both_bf16` of bf16 alone.
[[nodiscard]] const BlockedProductKernels& blocked_product_kernels(ops::CpuIsa isa, bool both_bf16);

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
extern const BlockedProductKernels blocked_pairs_table;
}  // namespace isa_avx512_bf16

}  // namespace cola::kernels
