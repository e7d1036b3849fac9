#include <algorithm>

#include "backend/attention.h"
#include "backend/cpu/attention_work.h"
#include "backend/cpu/kernels/attention.h"
#include "backend/cpu/operands.h"

namespace cola::ops {

void attention_cached(Context& context, const AttentionShape& shape, ConstMatrixView q,
                      ConstMatrixView k_cache, ConstMatrixView v_cache, std::int64_t length, MatrixView out) {
  const std::string_view op = "attention_cached";
  const std::int64_t dim = shape.head_dim;
  check_heads(shape, op);
  check(length >= q.rows && length <= k_cache.rows, op,
        "the length is outside the cache or less than the new rows");
  check_shape(q, q.rows, shape.heads * dim, op, "q");
  check_shape(k_cache, k_cache.rows, shape.kv_heads * dim, op, "k_cache");
  check_alike({q, out}, op);
  check_alike({k_cache, v_cache}, op);
  check(k_cache.dtype == q.dtype, op, "q and k_cache differ in dtype");
  if (q.rows == 0) return;

  // Packing the keys pays from some queries on; below that a key is read once and used where it lies.
  constexpr std::int64_t many_queries = 8;
  const bool pack = q.rows >= many_queries;
  const std::int64_t group = shape.heads / shape.kv_heads;
  const std::int64_t floats = pack ? kernels::attention_forward_scratch(length, dim)
                                   : kernels::attention_cached_scratch(q.rows, dim, group);
  const double pairs = static_cast<double>(q.rows) *
                       (static_cast<double>(length - q.rows) + 0.5 * static_cast<double>(q.rows + 1));
  const double multiply_adds = 2.0 * pairs * static_cast<double>(shape.heads * dim);
  context.add_flops(static_cast<std::uint64_t>(2.0 * multiply_adds));
  with_element_type(q.dtype, op, [&]<class T>(T) {
    for_each_item(context, shape.kv_heads, attention_threads(shape.kv_heads, multiply_adds), floats,
                  [&](std::int64_t head, float* scratch) {
                    const auto slice = [&](auto view, std::int64_t width) {
                      return columns(view, head * width, width);
                    };
                    const kernels::AttentionForward<T> work = {q.rows,
                                                               length,
                                                               dim,
                                                               group,
                                                               shape.scale,
                                                               rows_of<T>(slice(q, group * dim)),
                                                               rows_of<T>(slice(k_cache, dim)),
                                                               rows_of<T>(slice(v_cache, dim)),
                                                               rows_of<T>(slice(out, group * dim)),
                                                               {nullptr, 0},
                                                               {}};
                    const auto& table = kernels::attention_kernels<T>();
                    (pack ? table.forward : table.cached)(work, scratch);
                  });
  });
}

}  // namespace cola::ops
