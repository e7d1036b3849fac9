#pragma once
#include <cstdint>

#include "backend/cpu/kernels/attention.h"
#include "backend/cpu/kernels/attention_backward.h"
#include "backend/cpu/kernels/tile_layout.h"
#include "backend/cpu/kernels/tile_operands.h"
#include "backend/cpu/kernels/tile_product.h"

namespace cola::kernels {

/// What attention's tile products are made with.
struct AttentionTiles {
  const TileKernels& products;
  const TileOperandKernels& operands;
};

/// AttentionKernels<std::uint16_t>'s forward and backward by tile products of bf16: weights, and their
/// gradients, are rounded to bf16 before they are multiplied, as flash attention does (Dao et al., 2022);
/// sums and the softmax are f32. A key that a query does not see has weight 0; a NaN among its values still
/// reaches that query. `scratch`: 64-byte aligned memory of the caller, of so many floats.
using TileAttentionForward = void (*)(const AttentionForward<std::uint16_t>& work,
                                      const AttentionTiles& tiles, float* scratch);
using TileAttentionBackward = void (*)(const AttentionBackward<std::uint16_t>& work,
                                       const AttentionTiles& tiles, float* scratch);

constexpr std::int64_t key_tiles = key_block / tile_rows;
constexpr std::int64_t key_steps = key_block / tile_depth;  ///< of a product whose depth is a block of keys
constexpr std::int64_t query_tiles = query_block / tile_rows;
static_assert(key_block == panel_outputs && query_block == tile_depth);
/// A backward's blocks of queries whose weights are kept until they are multiplied with dO and Q: the more,
/// the seldomer sums of keys and values are loaded and stored.
constexpr std::int64_t chunk_steps = 4;
constexpr std::int64_t chunk_queries = chunk_steps * query_block;

/// A head's sizes in tiles.
struct HeadTiles {
  std::int64_t steps;   ///< of a product whose depth is the head
  std::int64_t panels;  ///< of a product whose outputs are the head

  [[nodiscard, gnu::always_inline]] constexpr std::int64_t keys() const {
    return steps * panel_step_elements;
  }
  [[nodiscard, gnu::always_inline]] constexpr std::int64_t transposed() const {
    return panels * key_steps * panel_step_elements;
  }
  [[nodiscard, gnu::always_inline]] constexpr std::int64_t stream() const { return steps * tile_elements; }
  [[nodiscard, gnu::always_inline]] constexpr std::int64_t sums() const { return panels * micro_sums; }
};
[[gnu::always_inline]] constexpr HeadTiles head_tiles(std::int64_t head_dim) {
  return {round_up(head_dim, tile_depth) / tile_depth, round_up(head_dim, panel_outputs) / panel_outputs};
}

/// `packed_keys`: see attention_packed_keys().
[[nodiscard]] std::int64_t tile_attention_forward_scratch(std::int64_t packed_keys, std::int64_t head_dim);
[[nodiscard]] std::int64_t tile_attention_backward_scratch(std::int64_t packed_keys, std::int64_t head_dim);

namespace isa_baseline {
extern const TileAttentionForward tile_attention_forward;
extern const TileAttentionBackward tile_attention_backward;
}  // namespace isa_baseline
namespace isa_avx2 {
extern const TileAttentionForward tile_attention_forward;
extern const TileAttentionBackward tile_attention_backward;
}  // namespace isa_avx2
namespace isa_avx512 {
extern const TileAttentionForward tile_attention_forward;
extern const TileAttentionBackward tile_attention_backward;
}  // namespace isa_avx512
namespace isa_avx512_bf16 {
extern const TileAttentionForward tile_attention_forward;
extern const TileAttentionBackward tile_attention_backward;
}  // namespace isa_avx512_bf16

[[nodiscard]] TileAttentionForward tile_attention_forward(ops::CpuIsa isa);
[[nodiscard]] TileAttentionBackward tile_attention_backward(ops::CpuIsa isa);

}  // namespace cola::kernels
