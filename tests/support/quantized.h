#pragma once
#include <array>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "core/dtype.h"
#include "core/matrix.h"
#include "core/quantized_blocks.h"
#include "core/random.h"
#include "support/tensors.h"

namespace cola::test {

inline constexpr std::array<DType, 13> quantized_types = {
    DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1,   DType::q8_0,   DType::q2_k, DType::q3_k,
    DType::q4_k, DType::q5_k, DType::q6_k, DType::iq4_nl, DType::iq4_xs, DType::mxfp4};

/// Where a block has its f16 scales, and their size for values of order 1.
struct ScaleInBlock {
  std::int64_t at;
  double size;
};
inline std::vector<ScaleInBlock> scales_of(DType dtype) {
  switch (dtype) {
    case DType::q4_0:
      return {{0, 0.2}};
    case DType::q4_1:
      return {{0, 0.2}, {2, 1.0}};
    case DType::q5_0:
      return {{0, 0.1}};
    case DType::q5_1:
      return {{0, 0.1}, {2, 1.0}};
    case DType::q8_0:
    case DType::iq4_nl:
      return {{0, 0.01}};
    case DType::q2_k:
      return {{80, 0.05}, {82, 0.1}};
    case DType::q3_k:
      return {{108, 0.015}};
    case DType::q4_k:
      return {{0, 0.003}, {2, 0.02}};
    case DType::q5_k:
      return {{0, 0.0015}, {2, 0.02}};
    case DType::q6_k:
    case DType::iq4_xs:
      return {{dtype == DType::q6_k ? 208 : 0, 0.0003}};
    case DType::mxfp4:
      return {};
    default:
      break;
  }
  throw std::logic_error("not a quantised type");
}

/// Random blocks of values of order 1; the same for the same seed.
inline Matrix random_blocks(DType dtype, std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
  Matrix matrix(dtype, rows, cols);
  RandomStream stream(seed, RandomPurpose::benchmark);
  auto* bytes = static_cast<std::uint8_t*>(matrix.view().data);
  const BlockLayout layout = layout_of(dtype);
  for (std::int64_t i = 0; i < bytes_of(dtype, rows * cols); ++i)
    bytes[i] = static_cast<std::uint8_t>(stream.next_below(256));
  for (std::int64_t block = 0; block < rows * cols / layout.values; ++block) {
    std::uint8_t* at = bytes + block * layout.bytes;
    for (const ScaleInBlock& scale : scales_of(dtype)) {
      const Float16 half(static_cast<float>(scale.size * stream.next_normal()));
      at[scale.at] = static_cast<std::uint8_t>(half.bits & 255U);
      at[scale.at + 1] = static_cast<std::uint8_t>(half.bits >> 8U);
    }
    if (dtype == DType::mxfp4) at[0] = static_cast<std::uint8_t>(122 + stream.next_below(6));
  }
  return matrix;
}

/// A quantised matrix's values, rounded to `dtype`.
inline TestMatrix values_of(ConstMatrixView quantized, DType dtype) {
  TestMatrix values(dtype, quantized.rows, quantized.cols);
  std::vector<float> row(static_cast<std::size_t>(quantized.cols));
  for (std::int64_t i = 0; i < quantized.rows; ++i) {
    dequantize(quantized.dtype, static_cast<const std::byte*>(quantized.row_range(i, i + 1).data), row);
    for (std::int64_t col = 0; col < quantized.cols; ++col)
      set_element(values.view(), i, col, row[static_cast<std::size_t>(col)]);
  }
  return values;
}

}  // namespace cola::test
