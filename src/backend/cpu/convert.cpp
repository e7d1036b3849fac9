#include "backend/cpu/kernels/convert.h"

#include <cstring>

#include "backend/cpu/dequantize.h"
#include "backend/cpu/operands.h"
#include "backend/cpu/ops.h"
#include "core/parallel.h"

namespace cola::ops::cpu {
namespace {

void copy_rows(ConstMatrixView source, MatrixView destination) {
  const std::size_t bytes = static_cast<std::size_t>(source.cols) * size_of(source.dtype);
  for (std::int64_t row = 0; row < source.rows; ++row) {
    std::memcpy(destination.row_range(row, row + 1).data, source.row_range(row, row + 1).data, bytes);
  }
}

void convert_rows(ConstMatrixView source, MatrixView destination) {
  if (is_quantized(source.dtype)) return dequantize_rows(source, destination);
  const kernels::ConvertKernels& table = kernels::convert_kernels();
  const auto is = [&](DType from, DType to) { return source.dtype == from && destination.dtype == to; };
  const std::int64_t rows = source.rows;
  const std::int64_t cols = source.cols;
  using Half = std::uint16_t;
  if (is(DType::f32, DType::bf16)) {
    table.f32_to_bf16(rows, cols, rows_of<float>(source), rows_of<Half>(destination));
  } else if (is(DType::bf16, DType::f32)) {
    table.bf16_to_f32(rows, cols, rows_of<Half>(source), rows_of<float>(destination));
  } else if (is(DType::f16, DType::f32)) {
    table.f16_to_f32(rows, cols, rows_of<Half>(source), rows_of<float>(destination));
  } else if (is(DType::f16, DType::bf16)) {
    table.f16_to_bf16(rows, cols, rows_of<Half>(source), rows_of<Half>(destination));
  } else {
    copy_rows(source, destination);
  }
}

}  // namespace

void convert(Context& /*context*/, ConstMatrixView source, MatrixView destination) {
  // A matrix without gaps is one long row, cut anywhere between blocks: few long rows keep all threads busy
  // too.
  if (source.stride == source.cols && destination.stride == destination.cols) {
    const std::int64_t count = source.rows * source.cols;
    const std::int64_t block = layout_of(source.dtype).values;
    const ConstMatrixView from = {source.data, source.dtype, 1, count, count};
    const MatrixView to = {destination.data, destination.dtype, 1, count, count};
    parallel_for(count / block, row_grain(block), [&](std::int64_t begin, std::int64_t end) {
      convert_rows(from.column_range(begin * block, end * block),
                   to.column_range(begin * block, end * block));
    });
    return;
  }
  parallel_for(source.rows, row_grain(source.cols), [&](std::int64_t begin, std::int64_t end) {
    convert_rows(source.row_range(begin, end), destination.row_range(begin, end));
  });
}

}  // namespace cola::ops::cpu
