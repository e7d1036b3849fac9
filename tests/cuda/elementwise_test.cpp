#include "both_sides.h"

namespace cola::test {
namespace {

using CudaElementwise = CudaTest;

constexpr std::int64_t rows = 37;
constexpr std::int64_t cols = 515;  // no multiple of a vector

TEST_F(CudaElementwise, AddGatesAndRelu) {
  for (const DType dtype : both_dtypes) {
    compare([&](Side& side) {
      const auto a = side.random(dtype, rows, cols, 3.0F);
      const auto b = side.random(dtype, rows, cols, 3.0F);
      const auto y = side.random(dtype, rows, cols);
      const auto z = side.random(dtype, rows, cols);
      ops::add(side.context, a, b, y);
      side.result("add", y, tolerance_of(dtype));
      ops::add(side.context, a, b, y, -0.25F);
      side.result("add of a multiple", y, tolerance_of(dtype));
      ops::scale(side.context, y, 0.22F, y);
      side.result("scale", y, tolerance_of(dtype));
      for (const ops::Gate function : {ops::Gate::silu, ops::Gate::gelu_tanh}) {
        ops::gate_forward(side.context, function, a, b, y);
        side.result("gate", y, tolerance_of(dtype));
        ops::gate_backward(side.context, function, y, a, b, y, z);
        side.result("dgate", y, tolerance_of(dtype));
        side.result("dup", z, tolerance_of(dtype));
      }
      const auto mask = side.bytes(ops::relu_mask_bytes(rows, cols));
      ops::relu_forward(side.context, a, mask);
      side.result("relu", a, {});
      ops::relu_backward(side.context, b, mask, b);
      side.result("drelu", b, {});
      ops::fill_zero(side.context, a);
      side.result("zero", a, {});
    });
  }
}

TEST_F(CudaElementwise, DropoutMasksAreTheCpus) {
  std::vector<std::uint64_t> keys;
  for (std::int64_t row = 0; row < rows; ++row)
    keys.push_back((static_cast<std::uint64_t>(row % 5) << 32) + static_cast<std::uint64_t>(row));
  for (const DType dtype : both_dtypes) {
    compare([&](Side& side) {
      const auto x = side.random(dtype, rows, cols);
      ops::dropout(side.context, x, {42, 7, 0.3F}, keys, x);
      side.result("dropout", x, {0.0, dtype == DType::f32 ? 1e-7 : 8e-3});
    });
  }
}

TEST_F(CudaElementwise, Conversions) {
  for (const DType from : both_dtypes) {
    for (const DType to : both_dtypes) {
      compare([&](Side& side) {
        const auto x = side.random(from, rows, cols, 100.0F);
        const auto y = side.random(to, rows, cols);
        ops::convert(side.context, x, y);
        side.result("convert", y, {});
      });
    }
  }
}

TEST_F(CudaElementwise, Rotary) {
  std::vector<std::int32_t> positions;
  for (std::int32_t row = 0; row < rows; ++row) positions.push_back(row * 7 % 100);
  for (const DType dtype : both_dtypes) {
    compare([&](Side& side) {
      for (const std::int64_t half : {32, 24}) {  // the second leaves numbers of each head as they are
        const auto x = side.random(dtype, rows, 4 * 64);
        const auto cos = side.random(DType::f32, 100, half);
        const auto sin = side.random(DType::f32, 100, half);
        ops::rotary(side.context, x, 64, positions, cos, sin, false);
        side.result("rotated", x, tolerance_of(dtype));
        ops::rotary(side.context, x, 64, positions, cos, sin, true);
        side.result("back", x, tolerance_of(dtype));
      }
    });
  }
}

}  // namespace
}  // namespace cola::test
