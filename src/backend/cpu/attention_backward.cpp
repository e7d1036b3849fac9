#include "backend/cpu/attention_work.h"
#include "backend/cpu/operands.h"
#include "backend/cpu/ops.h"

namespace cola::ops::cpu {

void attention_backward(Context& context, const AttentionShape& shape, std::span<const std::int32_t> offsets,
                        std::span<const std::int32_t> prefixes, ConstMatrixView dout, ConstMatrixView q,
                        ConstMatrixView k, ConstMatrixView v, ConstMatrixView out,
                        ConstMatrixView log_sum_exp, MatrixView dq, MatrixView dk, MatrixView dv) {
  const std::int64_t dim = shape.head_dim;
  const std::int64_t group = shape.heads / shape.kv_heads;
  const SequenceGroups sequences = group_sequences(offsets, prefixes, shape.window);
  const std::int64_t items = std::ssize(sequences.groups) * shape.kv_heads;
  if (items == 0) return;
  const auto product = static_cast<double>(sequences.pairs * shape.heads * dim);
  context.add_flops(static_cast<std::uint64_t>(10.0 * product));
  with_element_type(q.dtype, "attention_backward", [&]<class T>(T) {
    for_each_item(
        context, "attention", items, attention_threads(items, 5.0 * product),
        backward_scratch(q.dtype, sequences.packed_keys, dim), [&](std::int64_t item, float* scratch) {
          const SequenceGroup& work = sequences.groups[static_cast<std::size_t>(item / shape.kv_heads)];
          const std::int64_t head = item % shape.kv_heads;
          const auto slice = [&](auto view, std::int64_t width) {
            return columns(view.row_range(work.rows.begin, view.rows), head * width, width);
          };
          attend_backward(
              kernels::AttentionBackward<T>{
                  work.length(), dim, group, scores_of(shape), rows_of<T>(slice(dout, group * dim)),
                  rows_of<T>(slice(q, group * dim)), rows_of<T>(slice(k, dim)), rows_of<T>(slice(v, dim)),
                  rows_of<T>(slice(out, group * dim)), rows_of<float>(slice(log_sum_exp, group)),
                  rows_of<T>(slice(dq, group * dim)), rows_of<T>(slice(dk, dim)), rows_of<T>(slice(dv, dim)),
                  work.kernel_continuations()},
              scratch);
        });
  });
}

}  // namespace cola::ops::cpu
