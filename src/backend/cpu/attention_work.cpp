#include "backend/cpu/attention_work.h"

#include <algorithm>
#include <numeric>

#include "backend/cpu/operands.h"

namespace cola::ops {

void check_heads(const AttentionShape& shape, std::string_view op) {
  check(shape.head_dim > 0 && shape.kv_heads > 0 && shape.heads > 0 && shape.heads % shape.kv_heads == 0, op,
        "the query heads are not a multiple of the key/value heads");
}

void check_sequences(const AttentionShape& shape, std::span<const std::int32_t> offsets, std::int64_t tokens,
                     std::string_view op) {
  check_heads(shape, op);
  check(
      !offsets.empty() && offsets.front() == 0 && offsets.back() == tokens && std::ranges::is_sorted(offsets),
      op, "the offsets do not rise from 0 to the number of rows");
}

std::vector<std::int32_t> longest_first(std::span<const std::int32_t> offsets) {
  std::vector<std::int32_t> order(offsets.size() - 1);
  std::iota(order.begin(), order.end(), 0);
  const auto length = [offsets](std::int32_t sequence) {
    const auto index = static_cast<std::size_t>(sequence);
    return offsets[index + 1] - offsets[index];
  };
  std::ranges::stable_sort(order, std::ranges::greater{}, length);
  return order;
}

double causal_product(const AttentionShape& shape, std::span<const std::int32_t> offsets) {
  double pairs = 0.0;
  for (std::size_t i = 1; i < offsets.size(); ++i) {
    const double length = offsets[i] - offsets[i - 1];
    pairs += 0.5 * length * (length + 1.0);
  }
  return pairs * static_cast<double>(shape.heads * shape.head_dim);
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
