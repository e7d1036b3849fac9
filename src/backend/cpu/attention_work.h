#pragma once
#include <cstdint>
#include <iterator>
#include <span>
#include <string_view>
#include <vector>

#include "backend/attention.h"
#include "backend/context.h"
#include "backend/cpu/kernels/attention.h"
#include "backend/cpu/kernels/attention_backward.h"
#include "backend/cpu/kernels/attention_blocks.h"
#include "backend/cpu/work_items.h"

// How attention is divided among threads: items of one sequence with all that continue it and one key/value
// head, which share nothing.
namespace cola::ops {

/// A sequence without a prefix, and all that continue it.
struct SequenceGroup {
  kernels::RowRange rows;
  std::vector<kernels::RowRange> continuations;  ///< counted from rows.begin, without empty ones
  std::int64_t pairs = 0;                        ///< of a query and a key that it sees

  [[nodiscard]] std::int64_t length() const { return rows.end - rows.begin; }
  [[nodiscard]] kernels::Continuations kernel_continuations() const {
    return {continuations.data(), std::ssize(continuations)};
  }
};

/// A batch's groups, the one with the most work first (the first of equals).
struct SequenceGroups {
  std::vector<SequenceGroup> groups;
  std::int64_t pairs = 0;        ///< of all
  std::int64_t packed_keys = 0;  ///< of the largest group: kernels::attention_packed_keys()
};
[[nodiscard]] SequenceGroups group_sequences(std::span<const std::int32_t> offsets,
                                             std::span<const std::int32_t> prefixes, std::int64_t window);

[[nodiscard]] inline kernels::AttentionScores scores_of(const AttentionShape& shape) {
  return {shape.scale, shape.window, shape.soft_cap};
}

/// Threads worth starting for `items` items with this many multiply-adds together.
[[nodiscard]] std::int64_t attention_threads(std::int64_t items, double multiply_adds);

/// An item's forward and backward on this processor: bf16 by tile products where it has them. The floats of
/// scratch memory are for a group's `packed_keys`.
[[nodiscard]] std::int64_t forward_scratch(DType dtype, std::int64_t packed_keys, std::int64_t head_dim);
[[nodiscard]] std::int64_t backward_scratch(DType dtype, std::int64_t packed_keys, std::int64_t head_dim);
void attend(const kernels::AttentionForward<float>& item, float* scratch);
void attend(const kernels::AttentionForward<std::uint16_t>& item, float* scratch);
void attend_backward(const kernels::AttentionBackward<float>& item, float* scratch);
void attend_backward(const kernels::AttentionBackward<std::uint16_t>& item, float* scratch);

/// Columns [begin, begin + count) of a view.
[[nodiscard]] ConstMatrixView columns(ConstMatrixView view, std::int64_t begin, std::int64_t count);
[[nodiscard]] MatrixView columns(MatrixView view, std::int64_t begin, std::int64_t count);

}  // namespace cola::ops
