#include "backend/cpu/ops.h"

#include <algorithm>
#include <cstring>

#include "core/parallel.h"

namespace cola::ops::cpu {
namespace {

ConstMatrixView one_row(ConstMatrixView view, std::int64_t row) { return view.row_range(row, row + 1); }
MatrixView one_row(MatrixView view, std::int64_t row) { return view.row_range(row, row + 1); }

/// Rows first .. first + count of x, added, to one row of y.
template <class T>
void sum_rows(ConstMatrixView x, std::int64_t first, std::int64_t count, MatrixView y) {
  const T* source = x.as<T>() + first * x.stride;
  for (std::int64_t col = 0; col < x.cols; ++col) {
    float sum = 0.0F;
    for (std::int64_t i = 0; i < count; ++i) sum += static_cast<float>(source[i * x.stride + col]);
    y.as<T>()[col] = T(sum);
  }
}

template <class T>
void add_columns(ConstMatrixView dy, std::span<const std::int32_t> ids, MatrixView dtable,
                 const Lookup& lookup, std::int64_t begin, std::int64_t end) {
  for (std::int64_t t = 0; t < dy.rows; ++t) {
    const std::int32_t id = ids[static_cast<std::size_t>(t)];
    if (id == lookup.padding_index) continue;
    const T* source = dy.as<T>() + t * dy.stride;
    float* target = dtable.as<float>() + id * dtable.stride;
    if (lookup.scale == 1.0F) {
      for (std::int64_t col = begin; col < end; ++col) target[col] += static_cast<float>(source[col]);
    } else {
      for (std::int64_t col = begin; col < end; ++col)
        target[col] += lookup.scale * static_cast<float>(source[col]);
    }
  }
}

void look_up(Context& context, const WeightView& table, std::span<const std::int32_t> ids, MatrixView y) {
  if (table.packed == nullptr) return cpu::gather_rows(context, table.plain, ids, y);
  parallel_for(y.rows, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row)
      table.packed->read_row(ids[static_cast<std::size_t>(row)], one_row(y, row));
  });
}

}  // namespace

void embedding_forward(Context& context, WeightView table, std::span<const std::int32_t> ids, MatrixView y,
                       Write write, const Lookup& lookup) {
  if (write == Write::replace) {
    look_up(context, table, ids, y);
    if (lookup.scale != 1.0F) cpu::scale(context, y, lookup.scale, y);
    return;
  }
  const MatrixView rows = context.scratch("embedding_forward rows", y.dtype, y.rows, y.cols);
  look_up(context, table, ids, rows);
  cpu::add(context, y, rows, y, lookup.scale);
}

void embedding_backward(Context& /*context*/, ConstMatrixView dy, std::span<const std::int32_t> ids,
                        MatrixView dtable, const Lookup& lookup) {
  // Threads share the columns: tokens that occur twice are added in the order of t.
  parallel_for(dy.cols, 64, [&](std::int64_t begin, std::int64_t end) {
    if (dy.dtype == DType::bf16) {
      add_columns<BFloat16>(dy, ids, dtable, lookup, begin, end);
    } else {
      add_columns<float>(dy, ids, dtable, lookup, begin, end);
    }
  });
}

void gather_rows(Context& context, ConstMatrixView x, std::span<const std::int32_t> rows, MatrixView y) {
  const auto from = [&](std::int64_t i) { return one_row(x, rows[static_cast<std::size_t>(i)]); };
  if (x.dtype != y.dtype) {
    parallel_for(y.rows, 16, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) cpu::convert(context, from(i), one_row(y, i));
    });
    return;
  }
  const std::size_t bytes = static_cast<std::size_t>(x.cols) * size_of(x.dtype);
  parallel_for(y.rows, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) std::memcpy(one_row(y, i).data, from(i).data, bytes);
  });
}

void scatter_rows(Context& /*context*/, ConstMatrixView x, std::span<const std::int32_t> rows, MatrixView y) {
  const std::size_t bytes = static_cast<std::size_t>(y.cols) * size_of(y.dtype);
  parallel_for(y.rows, 64, [&](std::int64_t begin, std::int64_t end) {
    auto at = std::ranges::lower_bound(rows, begin);
    for (std::int64_t row = begin; row < end; ++row) {
      const auto first = at;
      while (at != rows.end() && *at == row) ++at;
      if (at == first) {
        std::memset(one_row(y, row).data, 0, bytes);
      } else if (at == first + 1) {
        std::memcpy(one_row(y, row).data, one_row(x, first - rows.begin()).data, bytes);
      } else if (x.dtype == DType::bf16) {
        sum_rows<BFloat16>(x, first - rows.begin(), at - first, one_row(y, row));
      } else {
        sum_rows<float>(x, first - rows.begin(), at - first, one_row(y, row));
      }
    }
  });
}

}  // namespace cola::ops::cpu
