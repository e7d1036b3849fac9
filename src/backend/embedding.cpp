#include "backend/embedding.h"

#include <algorithm>

#include "backend/backend.h"
#include "backend/checks.h"
#include "backend/profile.h"

namespace cola::ops {
namespace {

void check_indices(std::span<const std::int32_t> indices, std::int64_t count, std::int64_t bound,
                   std::string_view op) {
  check(indices.size() == static_cast<std::size_t>(count), op, "one index a row");
  const bool valid =
      std::all_of(indices.begin(), indices.end(), [&](std::int32_t i) { return i >= 0 && i < bound; });
  check(valid, op, "an index is out of range");
}

}  // namespace

void embedding_forward(Context& context, WeightView table, std::span<const std::int32_t> ids, MatrixView y,
                       Write write, const Lookup& lookup) {
  const ProfileScope scope(context, "embedding_forward", bytes_of({y, y}));
  check_shape(y, y.rows, table.plain.cols, "embedding_forward", "y");
  check_indices(ids, y.rows, table.plain.rows, "embedding_forward");
  context.backend().ops().embedding_forward(context, table, ids, y, write, lookup);
}

void embedding_backward(Context& context, ConstMatrixView dy, std::span<const std::int32_t> ids,
                        MatrixView dtable, const Lookup& lookup) {
  const ProfileScope scope(context, "embedding_backward", bytes_of({dy, dy, dy}));
  check_shape(dtable, dtable.rows, dy.cols, "embedding_backward", "dtable");
  check_indices(ids, dy.rows, dtable.rows, "embedding_backward");
  check(dtable.dtype == DType::f32 && is_compute_dtype(dy.dtype), "embedding_backward",
        "dtable must be f32 and dy f32 or bf16");
  context.backend().ops().embedding_backward(context, dy, ids, dtable, lookup);
}

void gather_rows(Context& context, ConstMatrixView x, std::span<const std::int32_t> rows, MatrixView y) {
  const ProfileScope scope(context, "gather_rows", bytes_of({y, y}));
  check_shape(y, y.rows, x.cols, "gather_rows", "y");
  check_indices(rows, y.rows, x.rows, "gather_rows");
  context.backend().ops().gather_rows(context, x, rows, y);
}

void scatter_rows(Context& context, ConstMatrixView x, std::span<const std::int32_t> rows, MatrixView y) {
  const ProfileScope scope(context, "scatter_rows", bytes_of({x, y}));
  check_shape(x, x.rows, y.cols, "scatter_rows", "x");
  check_indices(rows, x.rows, y.rows, "scatter_rows");
  check(x.dtype == y.dtype && is_compute_dtype(x.dtype), "scatter_rows", "x and y must both be f32 or bf16");
  check(std::ranges::is_sorted(rows), "scatter_rows", "the rows decrease");
  context.backend().ops().scatter_rows(context, x, rows, y);
}

}  // namespace cola::ops
