#include "backend/cpu/attention_work.h"

#include <algorithm>

#include "backend/attention_pairs.h"
#include "backend/cpu/kernels/tile_attention.h"
#include "backend/cpu/operands.h"
#include "backend/cpu_isa.h"

namespace cola::ops {
namespace {

bool by_tiles(DType dtype) { return dtype == DType::bf16 && cpu_isa() == CpuIsa::amx; }

kernels::AttentionTiles attention_tiles() {
  return {kernels::tile_kernels(), kernels::tile_operand_kernels(cpu_isa())};
}

}  // namespace

SequenceGroups group_sequences(std::span<const std::int32_t> offsets, std::span<const std::int32_t> prefixes,
                               std::int64_t window) {
  SequenceGroups result;
  std::vector<SequenceGroup>& groups = result.groups;
  groups.reserve(offsets.size() - 1);
  std::vector<std::size_t> group_of(prefixes.size());  // by sequence; of use for those without a prefix
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    const kernels::RowRange rows = {offsets[s], offsets[s + 1]};
    const std::int64_t length = rows.end - rows.begin;
    if (prefixes.empty() || prefixes[s] < 0) {
      if (!prefixes.empty()) group_of[s] = groups.size();
      groups.push_back({rows, {}, attention_pairs(length, length, window)});
    } else if (length > 0) {
      SequenceGroup& group = groups[group_of[static_cast<std::size_t>(prefixes[s])]];
      group.continuations.push_back({rows.begin - group.rows.begin, rows.end - group.rows.begin});
      group.pairs += attention_pairs(length, group.length() + length, window);
    }
  }
  for (const SequenceGroup& group : groups) {
    result.pairs += group.pairs;
    result.packed_keys = std::max(
        result.packed_keys, kernels::attention_packed_keys(group.length(), group.kernel_continuations()));
  }
  std::ranges::stable_sort(groups, std::ranges::greater{}, &SequenceGroup::pairs);
  return result;
}

std::int64_t attention_threads(std::int64_t items, double multiply_adds) {
  constexpr double worth_a_thread = 2e5;  // some 10 us: what starting a team costs
  const auto useful = static_cast<std::int64_t>(multiply_adds / worth_a_thread) + 1;
  return std::max<std::int64_t>(1, std::min({items, useful, std::int64_t{thread_count()}}));
}

std::int64_t forward_scratch(DType dtype, std::int64_t packed_keys, std::int64_t head_dim) {
  return by_tiles(dtype) ? kernels::tile_attention_forward_scratch(packed_keys, head_dim)
                         : kernels::attention_forward_scratch(packed_keys, head_dim);
}

std::int64_t backward_scratch(DType dtype, std::int64_t packed_keys, std::int64_t head_dim) {
  return by_tiles(dtype) ? kernels::tile_attention_backward_scratch(packed_keys, head_dim)
                         : kernels::attention_backward_scratch(packed_keys, head_dim);
}

void attend(const kernels::AttentionForward<float>& item, float* scratch) {
  kernels::attention_kernels<float>().forward(item, scratch);
}
void attend(const kernels::AttentionForward<std::uint16_t>& item, float* scratch) {
  if (!by_tiles(DType::bf16)) return kernels::attention_kernels<std::uint16_t>().forward(item, scratch);
  kernels::tile_attention_forward(cpu_isa())(item, attention_tiles(), scratch);
}

void attend_backward(const kernels::AttentionBackward<float>& item, float* scratch) {
  kernels::attention_backward_kernels<float>().backward(item, scratch);
}
void attend_backward(const kernels::AttentionBackward<std::uint16_t>& item, float* scratch) {
  if (!by_tiles(DType::bf16))
    return kernels::attention_backward_kernels<std::uint16_t>().backward(item, scratch);
  kernels::tile_attention_backward(cpu_isa())(item, attention_tiles(), scratch);
}

ConstMatrixView columns(ConstMatrixView view, std::int64_t begin, std::int64_t count) {
  const auto* bytes = static_cast<const std::byte*>(view.data);
  return {bytes + begin * static_cast<std::int64_t>(size_of(view.dtype)), view.dtype, view.rows, count,
          view.stride};
}

MatrixView columns(MatrixView view, std::int64_t begin, std::int64_t count) {
  auto* bytes = static_cast<std::byte*>(view.data);
  return {bytes + begin * static_cast<std::int64_t>(size_of(view.dtype)), view.dtype, view.rows, count,
          view.stride};
}

}  // namespace cola::ops
