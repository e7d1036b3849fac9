#include "model/decoder_spec.h"

#include <algorithm>

namespace cola {

std::vector<std::int64_t> DecoderSpec::windows() const {
  std::vector<std::int64_t> all;
  for (const BlockSpec& block : block_kinds) {
    if (std::ranges::find(all, block.attention.window) == all.end()) all.push_back(block.attention.window);
  }
  return all;
}

void DecoderSpec::set_blocks(std::int64_t count, const BlockSpec& block) {
  block_kinds = {block};
  kind_of_block.assign(static_cast<std::size_t>(count), 0);
}

void DecoderSpec::vary_blocks(const std::function<void(std::int64_t, BlockSpec&)>& change) {
  std::vector<BlockSpec> kinds;
  for (std::int64_t index = 0; index < num_hidden_layers(); ++index) {
    BlockSpec changed = block(index);
    change(index, changed);
    const auto kind = std::ranges::find(kinds, changed) - kinds.begin();
    if (kind == std::ssize(kinds)) kinds.push_back(changed);
    kind_of_block[static_cast<std::size_t>(index)] = static_cast<std::uint8_t>(kind);
  }
  block_kinds = std::move(kinds);
}

}  // namespace cola
