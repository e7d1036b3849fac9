#include "backend/cuda/kernels/embedding.h"

#include "backend/cuda/check.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/dequantize.h"
#include "backend/cuda/elements.h"
#include "backend/cuda/ops.h"

namespace cola::ops::cuda {

void embedding_forward(Context& context, WeightView weight, std::span<const std::int32_t> ids, MatrixView y,
                       Write write, const Lookup& lookup) {
  const ConstMatrixView table = weight.plain;  // nothing is packed here
  if (write == Write::replace && lookup.scale == 1.0F) return cuda::gather_rows(context, table, ids, y);
  if (is_quantized(table.dtype)) {
    const bool add = write == Write::add;
    const MatrixView rows = add ? context.scratch("cuda embedding rows", y.dtype, y.rows, y.cols) : y;
    cuda::gather_rows(context, table, ids, rows);
    return add ? cuda::add(context, y, rows, y, lookup.scale) : cuda::scale(context, y, lookup.scale, y);
  }
  CudaBackend& backend = backend_of(context);
  const std::int32_t* indices = backend.host_arrays().on_device(ids);
  check(table.dtype == y.dtype, "embedding_forward", "table and y differ in dtype");
  with_element_type(y.dtype, "embedding_forward", [&]<class T>(T) {
    require(launch::look_up<T>(backend.queue(), y.rows, y.cols, rows_of<T>(table), indices, lookup.scale,
                               write == Write::add, rows_of<T>(y)),
            "embedding_forward");
  });
}

void embedding_backward(Context& context, ConstMatrixView dy, std::span<const std::int32_t> ids,
                        MatrixView dtable, const Lookup& lookup) {
  CudaBackend& backend = backend_of(context);
  HostArrays& arrays = backend.host_arrays();
  const launch::RowGroups groups = launch::group_rows(ids, lookup.padding_index);
  const std::int32_t* order = arrays.on_device(groups.order);
  const std::int32_t* begins = arrays.on_device(groups.begins);
  const std::int32_t* group_ids = arrays.on_device(groups.ids);
  with_element_type(dy.dtype, "embedding_backward", [&]<class T>(T) {
    require(launch::embedding_backward<T>(backend.queue(), std::ssize(groups.ids), dy.cols, rows_of<T>(dy),
                                          order, begins, group_ids, lookup.scale, rows_of<float>(dtable)),
            "embedding_backward");
  });
}

void gather_rows(Context& context, ConstMatrixView x, std::span<const std::int32_t> rows, MatrixView y) {
  CudaBackend& backend = backend_of(context);
  const std::int32_t* indices = backend.host_arrays().on_device(rows);
  if (is_quantized(x.dtype)) return cuda::dequantize(context, x, indices, y);
  with_conversion(x.dtype, y.dtype, "gather_rows", [&]<class From, class To>(From, To) {
    require(launch::gather_rows<From, To>(backend.queue(), y.rows, y.cols, rows_of<From>(x), indices,
                                          rows_of<To>(y)),
            "gather_rows");
  });
}

void scatter_rows(Context& context, ConstMatrixView x, std::span<const std::int32_t> rows, MatrixView y) {
  CudaBackend& backend = backend_of(context);
  const std::int32_t* indices = backend.host_arrays().on_device(rows);
  with_element_type(y.dtype, "scatter_rows", [&]<class T>(T) {
    require(launch::scatter_rows<T>(backend.queue(), x.rows, y.rows, y.cols, rows_of<T>(x), indices,
                                    rows_of<T>(y)),
            "scatter_rows");
  });
}

}  // namespace cola::ops::cuda
