#include "backend/attention.h"

#include "backend/cpu/attention_work.h"
#include "backend/cpu/kernels/attention.h"
#include "backend/cpu/operands.h"

namespace cola::ops {

void attention_forward(Context& context, const AttentionShape& shape, std::span<const std::int32_t> offsets,
                       ConstMatrixView q, ConstMatrixView k, ConstMatrixView v, MatrixView out,
                       MatrixView log_sum_exp) {
  const std::string_view op = "attention_forward";
  check_sequences(shape, offsets, q.rows, op);
  check_shape(q, q.rows, shape.heads * shape.head_dim, op, "q");
  check_shape(k, q.rows, shape.kv_heads * shape.head_dim, op, "k");
  check_alike({q, out}, op);
  check_alike({k, v}, op);
  check(k.dtype == q.dtype, op, "q and k differ in dtype");
  check_shape(log_sum_exp, q.rows, shape.heads, op, "log_sum_exp");
  check(log_sum_exp.dtype == DType::f32, op, "log_sum_exp is not f32");

  const std::int64_t dim = shape.head_dim;
  const std::int64_t group = shape.heads / shape.kv_heads;
  const std::vector<std::int32_t> order = longest_first(offsets);
  if (order.empty()) return;
  const auto range = [&](std::int32_t sequence) {
    return offsets.subspan(static_cast<std::size_t>(sequence), 2);
  };
  const std::int64_t longest = range(order[0])[1] - range(order[0])[0];
  const std::int64_t items = std::ssize(order) * shape.kv_heads;
  const double product = causal_product(shape, offsets);
  context.add_flops(static_cast<std::uint64_t>(4.0 * product));
  with_element_type(q.dtype, op, [&]<class T>(T) {
    for_each_item(context, items, attention_threads(items, 2.0 * product),
                  kernels::attention_forward_scratch(longest, dim), [&](std::int64_t item, float* scratch) {
                    const auto rows = range(order[static_cast<std::size_t>(item / shape.kv_heads)]);
                    const std::int64_t head = item % shape.kv_heads;
                    const auto slice = [&](auto view, std::int64_t width) {
                      return columns(view.row_range(rows[0], rows[1]), head * width, width);
                    };
                    const std::int64_t length = rows[1] - rows[0];
                    kernels::attention_kernels<T>().forward(
                        {length, length, dim, group, shape.scale, rows_of<T>(slice(q, group * dim)),
                         rows_of<T>(slice(k, dim)), rows_of<T>(slice(v, dim)),
                         rows_of<T>(slice(out, group * dim)), rows_of<float>(slice(log_sum_exp, group))},
                        scratch);
                  });
  });
}

}  // namespace cola::ops
