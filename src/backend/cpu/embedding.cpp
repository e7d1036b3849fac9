#include "backend/embedding.h"

#include <algorithm>
#include <cstring>

#include "backend/cpu/checks.h"
#include "backend/elementwise.h"
#include "core/parallel.h"

namespace cola::ops {
namespace {

void check_indices(std::span<const std::int32_t> indices, std::int64_t count, std::int64_t bound,
                   std::string_view op) {
  check(indices.size() == static_cast<std::size_t>(count), op, "one index a row");
  const bool valid =
      std::all_of(indices.begin(), indices.end(), [&](std::int32_t i) { return i >= 0 && i < bound; });
  check(valid, op, "an index is out of range");
}

ConstMatrixView one_row(ConstMatrixView view, std::int64_t row) { return view.row_range(row, row + 1); }
MatrixView one_row(MatrixView view, std::int64_t row) { return view.row_range(row, row + 1); }

/// Row from of x to row to of y, for each i.
template <class From, class To>
void copy_rows(Context& context, std::int64_t count, ConstMatrixView x, const From& from, MatrixView y,
               const To& to) {
  if (x.dtype != y.dtype) {
    for (std::int64_t i = 0; i < count; ++i) convert(context, one_row(x, from(i)), one_row(y, to(i)));
    return;
  }
  const std::size_t bytes = static_cast<std::size_t>(x.cols) * size_of(x.dtype);
  parallel_for(count, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      std::memcpy(one_row(y, to(i)).data, one_row(x, from(i)).data, bytes);
    }
  });
}

template <class T>
void add_columns(ConstMatrixView dy, std::span<const std::int32_t> ids, MatrixView dtable, std::int64_t begin,
                 std::int64_t end) {
  for (std::int64_t t = 0; t < dy.rows; ++t) {
    const T* source = dy.as<T>() + t * dy.stride;
    float* target = dtable.as<float>() + ids[static_cast<std::size_t>(t)] * dtable.stride;
    for (std::int64_t col = begin; col < end; ++col) target[col] += static_cast<float>(source[col]);
  }
}

}  // namespace

void embedding_forward(Context& context, ConstMatrixView table, std::span<const std::int32_t> ids,
                       MatrixView y, Write write) {
  check_shape(y, y.rows, table.cols, "embedding_forward", "y");
  check_indices(ids, y.rows, table.rows, "embedding_forward");
  if (write == Write::replace) {
    gather_rows(context, table, ids, y);
    return;
  }
  const MatrixView rows = context.scratch("embedding_forward rows", y.dtype, y.rows, y.cols);
  gather_rows(context, table, ids, rows);
  add(context, rows, y, y);
}

void embedding_backward(Context& /*context*/, ConstMatrixView dy, std::span<const std::int32_t> ids,
                        MatrixView dtable) {
  check_shape(dtable, dtable.rows, dy.cols, "embedding_backward", "dtable");
  check_indices(ids, dy.rows, dtable.rows, "embedding_backward");
  check(dtable.dtype == DType::f32 && is_compute_dtype(dy.dtype), "embedding_backward",
        "dtable must be f32 and dy f32 or bf16");
  // Threads share the columns: tokens that occur twice are added in the order of t.
  parallel_for(dy.cols, 64, [&](std::int64_t begin, std::int64_t end) {
    if (dy.dtype == DType::bf16) {
      add_columns<BFloat16>(dy, ids, dtable, begin, end);
    } else {
      add_columns<float>(dy, ids, dtable, begin, end);
    }
  });
}

void gather_rows(Context& context, ConstMatrixView x, std::span<const std::int32_t> rows, MatrixView y) {
  check_shape(y, y.rows, x.cols, "gather_rows", "y");
  check_indices(rows, y.rows, x.rows, "gather_rows");
  copy_rows(
      context, y.rows, x, [&](std::int64_t i) { return rows[static_cast<std::size_t>(i)]; }, y,
      [](std::int64_t i) { return i; });
}

void scatter_rows(Context& context, ConstMatrixView x, std::span<const std::int32_t> rows, MatrixView y) {
  check_shape(x, x.rows, y.cols, "scatter_rows", "x");
  check_indices(rows, x.rows, y.rows, "scatter_rows");
  const std::size_t bytes = static_cast<std::size_t>(y.cols) * size_of(y.dtype);
  parallel_for(y.rows, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) std::memset(one_row(y, row).data, 0, bytes);
  });
  copy_rows(
      context, x.rows, x, [](std::int64_t i) { return i; }, y,
      [&](std::int64_t i) { return rows[static_cast<std::size_t>(i)]; });
}

}  // namespace cola::ops
