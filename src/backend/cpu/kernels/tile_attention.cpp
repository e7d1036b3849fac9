#include "backend/cpu/kernels/tile_attention.h"

#include "backend/cpu/kernels/by_isa.h"

namespace cola::kernels {

std::int64_t tile_attention_forward_scratch(std::int64_t packed_keys, std::int64_t head_dim) {
  const HeadTiles head = head_tiles(head_dim);
  const std::int64_t blocks = round_up(packed_keys, key_block) / key_block;
  const std::int64_t halves =
      blocks * (head.keys() + head.transposed() + key_steps * tile_elements) + head.keys() + head.stream();
  return halves / 2 + blocks * key_block * tile_rows + head.sums();
}

std::int64_t tile_attention_backward_scratch(std::int64_t packed_keys, std::int64_t head_dim) {
  const HeadTiles head = head_tiles(head_dim);
  const std::int64_t blocks = round_up(packed_keys, key_block) / key_block;
  const std::int64_t halves =
      blocks * (2 * head.keys() + head.transposed() +
                (2 * key_tiles * chunk_steps + query_tiles * key_steps) * tile_elements) +
      2 * query_tiles * head.stream() + 2 * head.panels * chunk_steps * panel_step_elements;
  return halves / 2 + 2 * blocks * key_tiles * head.sums() + 2 * micro_sums + head.sums();
}

TileAttentionForward tile_attention_forward(ops::CpuIsa isa) {
  return by_isa(isa, isa_baseline::tile_attention_forward, isa_avx2::tile_attention_forward,
                isa_avx512::tile_attention_forward, isa_avx512_bf16::tile_attention_forward);
}
TileAttentionBackward tile_attention_backward(ops::CpuIsa isa) {
  return by_isa(isa, isa_baseline::tile_attention_backward, isa_avx2::tile_attention_backward,
                isa_avx512::tile_attention_backward, isa_avx512_bf16::tile_attention_backward);
}

}  // namespace cola::kernels
