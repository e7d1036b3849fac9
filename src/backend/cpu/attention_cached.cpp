#include <algorithm>

#include "backend/attention_pairs.h"
#include "backend/cpu/attention_work.h"
#include "backend/cpu/operands.h"
#include "backend/cpu/ops.h"

namespace cola::ops::cpu {
namespace {

/// Packing the keys pays from some queries on; below that a key is read once and used where it lies.
bool worth_packing(std::int64_t queries) { return queries >= 8; }

}  // namespace

void attention_cached(Context& context, const AttentionShape& shape, std::span<const std::int32_t> offsets,
                      std::span<const CachedSequence> sequences, ConstMatrixView q, MatrixView out) {
  if (q.rows == 0) return;
  const std::int64_t dim = shape.head_dim;
  const std::int64_t group = shape.heads / shape.kv_heads;
  std::int64_t floats = 0;
  std::int64_t pairs = 0;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const std::int64_t queries = offsets[s + 1] - offsets[s];
    const std::int64_t length = sequences[s].keys.rows;
    floats =
        std::max(floats, worth_packing(queries) ? forward_scratch(q.dtype, length, dim)
                                                : kernels::attention_cached_scratch(queries, dim, group));
    pairs += attention_pairs(queries, length, shape.window);
  }
  const auto multiply_adds = static_cast<double>(2 * pairs * shape.heads * dim);
  context.add_flops(static_cast<std::uint64_t>(2.0 * multiply_adds));
  const std::int64_t items = std::ssize(sequences) * shape.kv_heads;
  with_element_type(q.dtype, "attention_cached", [&]<class T>(T) {
    const auto run = [&](std::int64_t item, float* scratch) {
      const auto s = static_cast<std::size_t>(item / shape.kv_heads);
      const std::int64_t head = item % shape.kv_heads;
      const std::int64_t queries = offsets[s + 1] - offsets[s];
      if (queries == 0) return;
      const auto slice = [&](auto view, std::int64_t width) { return columns(view, head * width, width); };
      const auto own_rows = [&](auto view) { return view.row_range(offsets[s], offsets[s + 1]); };
      const kernels::AttentionForward<T> work = {queries,
                                                 sequences[s].keys.rows,
                                                 dim,
                                                 group,
                                                 scores_of(shape),
                                                 rows_of<T>(slice(own_rows(q), group * dim)),
                                                 rows_of<T>(slice(sequences[s].keys, dim)),
                                                 rows_of<T>(slice(sequences[s].values, dim)),
                                                 rows_of<T>(slice(own_rows(out), group * dim)),
                                                 {nullptr, 0},
                                                 {}};
      if (worth_packing(queries)) return attend(work, scratch);
      kernels::attention_kernels<T>().cached(work, scratch);
    };
    for_each_item(context, "attention", items, attention_threads(items, multiply_adds), floats, run);
  });
}

}  // namespace cola::ops::cpu
