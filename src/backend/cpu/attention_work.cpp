#include "backend/cpu/attention_work.h"

#include <algorithm>

#include "backend/cpu/operands.h"

namespace cola::ops {

void check_heads(const AttentionShape& shape, std::string_view op) {
  check(shape.head_dim > 0 && shape.kv_heads > 0 && shape.heads > 0 && shape.heads % shape.kv_heads == 0, op,
        "the query heads are not a multiple of the key/value heads");
}

void check_offsets(std::span<const std::int32_t> offsets, std::int64_t rows, std::string_view op) {
  check(!offsets.empty() && offsets.front() == 0 && offsets.back() == rows && std::ranges::is_sorted(offsets),
        op, "the offsets do not rise from 0 to the number of rows");
}

void check_batch(const AttentionShape& shape, std::span<const std::int32_t> offsets,
                 std::span<const std::int32_t> prefixes, ConstMatrixView q, ConstMatrixView k,
                 ConstMatrixView v, ConstMatrixView out, ConstMatrixView log_sum_exp, std::string_view op) {
  check_heads(shape, op);
  check_offsets(offsets, q.rows, op);
  check(prefixes.empty() || prefixes.size() + 1 == offsets.size(), op, "one prefix a sequence");
  for (std::size_t s = 0; s < prefixes.size(); ++s) {
    const std::int32_t prefix = prefixes[s];
    check(prefix >= -1 && prefix < static_cast<std::int32_t>(s), op, "a prefix is not an earlier sequence");
    check(prefix < 0 || prefixes[static_cast<std::size_t>(prefix)] < 0, op, "a prefix has a prefix");
  }
  check_shape(q, q.rows, shape.heads * shape.head_dim, op, "q");
  check_shape(k, q.rows, shape.kv_heads * shape.head_dim, op, "k");
  check_alike({q, out}, op);
  check_alike({k, v}, op);
  check(k.dtype == q.dtype, op, "q and k differ in dtype");
  check_shape(log_sum_exp, q.rows, shape.heads, op, "log_sum_exp");
  check(log_sum_exp.dtype == DType::f32, op, "log_sum_exp is not f32");
}

SequenceGroups group_sequences(std::span<const std::int32_t> offsets,
                               std::span<const std::int32_t> prefixes) {
  SequenceGroups result;
  std::vector<SequenceGroup>& groups = result.groups;
  groups.reserve(offsets.size() - 1);
  std::vector<std::size_t> group_of(prefixes.size());  // by sequence; of use for those without a prefix
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    const kernels::RowRange rows = {offsets[s], offsets[s + 1]};
    const auto length = static_cast<double>(rows.end - rows.begin);
    const double causal = 0.5 * length * (length + 1.0);
    if (prefixes.empty() || prefixes[s] < 0) {
      if (!prefixes.empty()) group_of[s] = groups.size();
      groups.push_back({rows, {}, causal});
    } else if (length > 0.0) {
      SequenceGroup& group = groups[group_of[static_cast<std::size_t>(prefixes[s])]];
      group.continuations.push_back({rows.begin - group.rows.begin, rows.end - group.rows.begin});
      group.pairs += length * static_cast<double>(group.length()) + causal;
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
