#include "backend/cuda/kernels/attention.h"

#include "backend/cuda/check.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/elements.h"
#include "backend/cuda/ops.h"

namespace cola::ops::cuda {
namespace {

launch::AttentionSizes sizes_of(const AttentionShape& shape, std::int64_t rows, std::int32_t window) {
  return {rows,
          static_cast<std::int32_t>(shape.heads),
          static_cast<std::int32_t>(shape.kv_heads),
          static_cast<std::int32_t>(shape.head_dim),
          shape.scale,
          window,
          shape.soft_cap};
}

launch::DeviceTiles on_device(HostArrays& arrays, const launch::AttentionTiles& tiles) {
  return {std::ssize(tiles.tiles), arrays.on_device(tiles.tiles), arrays.on_device(tiles.ranges)};
}

/// FLOPs of `products` products over all pairs of a query and a key that it sees.
void count(Context& context, const AttentionShape& shape, std::int64_t pairs, std::int64_t products) {
  context.add_flops(static_cast<std::uint64_t>(2 * products * pairs * shape.heads * shape.head_dim));
}

}  // namespace

void attention_forward(Context& context, const AttentionShape& shape, std::span<const std::int32_t> offsets,
                       std::span<const std::int32_t> prefixes, ConstMatrixView q, ConstMatrixView k,
                       ConstMatrixView v, MatrixView out, MatrixView log_sum_exp) {
  CudaBackend& backend = backend_of(context);
  const AttentionPlan& plan = backend.plans().attention(offsets, prefixes, shape.window);
  count(context, shape, plan.pairs, 2);
  const launch::DeviceTiles queries = on_device(backend.host_arrays(), plan.queries);
  with_element_type(q.dtype, "attention_forward", [&]<class T>(T) {
    const launch::AttentionForward<T> work = {sizes_of(shape, q.rows, plan.window),
                                              queries,
                                              rows_of<T>(q),
                                              rows_of<T>(k),
                                              rows_of<T>(v),
                                              rows_of<T>(out),
                                              rows_of<float>(log_sum_exp)};
    require(launch::attention_forward<T>(backend.queue(), work), "attention_forward");
  });
}

void attention_backward(Context& context, const AttentionShape& shape, std::span<const std::int32_t> offsets,
                        std::span<const std::int32_t> prefixes, ConstMatrixView dout, ConstMatrixView q,
                        ConstMatrixView k, ConstMatrixView v, ConstMatrixView out,
                        ConstMatrixView log_sum_exp, MatrixView dq, MatrixView dk, MatrixView dv) {
  CudaBackend& backend = backend_of(context);
  const AttentionPlan& plan = backend.plans().attention(offsets, prefixes, shape.window);
  count(context, shape, plan.pairs, 5);
  const launch::DeviceTiles queries = on_device(backend.host_arrays(), plan.queries);
  const launch::DeviceTiles keys = on_device(backend.host_arrays(), plan.keys);
  const MatrixView delta = context.scratch("cuda attention delta", DType::f32, q.rows, shape.heads);
  with_element_type(q.dtype, "attention_backward", [&]<class T>(T) {
    const launch::AttentionBackward<T> work = {sizes_of(shape, q.rows, plan.window),
                                               queries,
                                               keys,
                                               rows_of<T>(dout),
                                               rows_of<T>(q),
                                               rows_of<T>(k),
                                               rows_of<T>(v),
                                               rows_of<T>(out),
                                               rows_of<float>(log_sum_exp),
                                               rows_of<float>(delta),
                                               rows_of<T>(dq),
                                               rows_of<T>(dk),
                                               rows_of<T>(dv)};
    require(launch::attention_backward<T>(backend.queue(), work), "attention_backward");
  });
}

}  // namespace cola::ops::cuda
