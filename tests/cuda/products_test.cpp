#include "both_sides.h"

namespace cola::test {
namespace {

using CudaProducts = CudaTest;

struct Sizes {
  std::int64_t t, n, k;
};

// One row, odd sizes, and a head's.
constexpr Sizes shapes[] = {{1, 64, 64}, {7, 33, 65}, {130, 256, 192}, {300, 1000, 128}};

/// Sums of k products of values up to 1: their rounding grows with sqrt(k), and a bf16 result has 8 bits.
Tolerance product_tolerance(DType result, std::int64_t k) {
  const double sum = 4e-7 * static_cast<double>(k);
  return result == DType::f32 ? Tolerance{sum, 1e-5} : Tolerance{sum + 1e-3, 8e-3};
}

/// A bias below 1 may be rounded to bf16, by 2^-9 at most, before it is added; and so is what one is added
/// to.
Tolerance with_biases(Tolerance tolerance, DType result, int biases) {
  if (result == DType::bf16) tolerance.absolute += biases * 0x1p-9;
  return tolerance;
}

/// What a product is added to by cuBLASLt's algorithms for bf16: the product, about sqrt(k) in size at most,
/// can be rounded to bf16 first (seen on an H100).
Tolerance added_in_bf16(Tolerance tolerance, DType result, std::int64_t k) {
  if (result == DType::bf16) tolerance.absolute += 0x1p-9 * std::sqrt(static_cast<double>(k));
  return tolerance;
}

TEST_F(CudaProducts, LinearForwardAndBackward) {
  for (const DType dtype : both_dtypes) {
    for (const auto& [t, n, k] : shapes) {
      compare([&, t = t, n = n, k = k](Side& side) {
        auto& context = side.context;
        const auto x = side.random(dtype, t, k);
        const auto w = side.random(dtype, n, k);
        const auto dy = side.random(dtype, t, n);
        const auto bias = side.random_vector(n);
        const auto y = side.random(dtype, t, n);
        ops::linear_forward(context, x, w, {}, {}, y);
        side.result("y", y, product_tolerance(dtype, k));
        ops::linear_forward(context, x, w, bias, {}, y);
        side.result("y with bias", y, with_biases(product_tolerance(dtype, k), dtype, 1));
        ops::linear_forward(context, x, w, bias, y, y);
        side.result("y added to", y, with_biases(product_tolerance(dtype, 2 * k), dtype, 2));
        const auto addend = side.random(dtype, t, n);
        ops::linear_forward(context, x, w, bias, addend, y);
        side.result("sum", y, added_in_bf16(with_biases(product_tolerance(dtype, k), dtype, 1), dtype, k));
        const auto wide = side.random(DType::f32, t, n);
        ops::linear_forward(context, x, w, bias, wide, wide);
        side.result("f32 y", wide, product_tolerance(DType::f32, k));
        const auto dx = side.random(dtype, t, k);
        ops::linear_backward_input(context, dy, w, dx, ops::Write::add);
        side.result("dx", dx, added_in_bf16(product_tolerance(dtype, 2 * n), dtype, n));
        const auto wide_dx = side.random(DType::f32, t, k);
        ops::linear_backward_input(context, dy, w, wide_dx, ops::Write::replace);
        side.result("f32 dx", wide_dx, product_tolerance(DType::f32, n));
        const auto dw = side.random(DType::f32, n, k);
        ops::linear_backward_weight(context, dy, x, dw);
        side.result("dw", dw, product_tolerance(DType::f32, t));
        const auto dbias = side.random_vector(n);
        ops::linear_backward_bias(context, dy, dbias);
        side.result("dbias", dbias, product_tolerance(DType::f32, t));
      });
    }
  }
}

// Masks of one side's op go into another's: cuBLASLt's epilogues and our kernels must agree on their bits.
TEST_F(CudaProducts, LinearAndRelu) {
  for (const DType dtype : both_dtypes) {
    for (const auto& [t, n, k] : shapes) {
      compare([&, t = t, n = n, k = k](Side& side) {
        auto& context = side.context;
        const auto x = side.random(dtype, t, k);
        const auto w = side.random(dtype, n, k);
        const auto bias = side.random_vector(n);
        const auto y = side.random(dtype, t, n);
        const auto mask = side.bytes(ops::relu_mask_bytes(t, n));
        const Tolerance tolerance = with_biases(product_tolerance(dtype, k), dtype, 1);
        ops::linear_relu_forward(context, x, w, bias, y, {});
        side.result("y without a mask", y, tolerance);
        ops::linear_relu_forward(context, x, w, bias, y, mask);
        side.result("y", y, tolerance);
        const auto ones = side.random(dtype, t, n);
        ops::relu_backward(context, y, mask, ones);  // y is zero elsewhere: nothing is lost
        side.result("y again", ones, tolerance);
        const auto dy = side.random(dtype, t, k);
        const auto up = side.random(dtype, k, n);
        const auto dx = side.random(dtype, t, n);
        // The mask of numbers that both sides have exactly, where roundings decide no sign.
        const auto signs = side.random(dtype, t, n);
        ops::relu_forward(context, signs, mask);
        ops::linear_relu_backward(context, dy, up, mask, dx);
        side.result("dx", dx, product_tolerance(dtype, k));
      });
    }
  }
}

TEST_F(CudaProducts, LinearAndGate) {
  for (const DType dtype : both_dtypes) {
    for (const auto& [t, n, k] : shapes) {
      compare([&, t = t, n = n, k = k](Side& side) {
        const auto x = side.random(dtype, t, k);
        const auto w = side.random(dtype, n, k);
        const auto gate = side.random(dtype, t, n);
        const auto up = side.random(dtype, t, n);
        const auto h = side.random(dtype, t, n);
        const Tolerance tolerance = product_tolerance(dtype, k);
        ops::linear_gate_forward(side.context, ops::Gate::silu, x, w, {}, gate, up, h);
        side.result("up", up, tolerance);
        side.result("h", h, tolerance);
        const auto down = side.random(dtype, k, n);
        const auto given = side.random(dtype, t, n);  // roundings of the op before do not count twice
        ops::linear_gate_backward(side.context, ops::Gate::silu, x, down, gate, given, h, gate, given);
        side.result("dgate", gate, tolerance);
        side.result("dup", given, tolerance);
      });
    }
  }
}

TEST_F(CudaProducts, RowsThatAreNotAligned) {
  for (const DType dtype : both_dtypes) {
    compare([&](Side& side) {
      const auto x = side.random(dtype, 9, 65);
      const auto w = side.random(dtype, 31, 65);
      const auto y = side.random(dtype, 9, 31);
      ops::linear_forward(side.context, x.row_range(1, 8), w, {}, {}, y.row_range(1, 8));
      side.result("y", y, product_tolerance(dtype, 65));
    });
  }
}

TEST_F(CudaProducts, Lora) {
  for (const DType dtype : both_dtypes) {
    for (const std::int64_t rank : {1, 8, 20}) {
      compare([&](Side& side) {
        auto& context = side.context;
        constexpr std::int64_t t = 130, n = 96, k = 200;
        const auto x = side.random(dtype, t, k);
        const auto dy = side.random(dtype, t, n);
        const auto a = side.random(DType::f32, rank, k);
        const auto b = side.random(DType::f32, n, rank);
        const auto u = side.random(DType::f32, t, rank);
        const auto y = side.random(dtype, t, n);
        const ops::LoraForward forward = {a, b, 0.5F, u, y};
        ops::lora_forward(context, x, {&forward, 1});
        side.result("u", u, product_tolerance(DType::f32, k));
        side.result("y", y, {dtype == DType::f32 ? 5e-4 : 3e-2, dtype == DType::f32 ? 1e-4 : 1.6e-2});
        const auto du = side.random(DType::f32, t, rank);
        const auto db = side.random(DType::f32, n, rank);
        const ops::LoraBackwardB of_b = {dy, u, b, 0.5F, du, db};
        ops::lora_backward_b(context, {&of_b, 1});
        side.result("du", du, product_tolerance(DType::f32, n));
        side.result("db", db, {2e-3, 1e-4});
        const auto da = side.random(DType::f32, rank, k);
        const auto dx = side.random(dtype, t, k);
        const ops::LoraBackwardA of_a = {du, a, da};
        ops::lora_backward_a(context, x, {&of_a, 1}, dx);
        side.result("da", da, {2e-3, 1e-4});
        side.result("dx", dx, {dtype == DType::f32 ? 5e-4 : 3e-2, dtype == DType::f32 ? 1e-4 : 1.6e-2});
        const auto delta = side.random(DType::f32, n, k);
        ops::lora_delta(context, a, b, 0.5F, delta);
        side.result("delta", delta, product_tolerance(DType::f32, 8 * rank));
      });
    }
  }
}

TEST_F(CudaProducts, CrossEntropy) {
  for (const DType dtype : both_dtypes) {
    compare([&](Side& side) {
      auto& context = side.context;
      constexpr std::int64_t rows = 70, width = 64, vocabulary = 1003, rank = 4;
      std::vector<std::int32_t> targets;
      std::vector<float> weights;
      for (std::int32_t i = 0; i < rows; ++i) {
        targets.push_back(i * 37 % static_cast<std::int32_t>(vocabulary));
        weights.push_back(i % 3 == 0 ? -0.5F : 1.0F / 70.0F);
      }
      const auto hidden = side.random(dtype, rows, width);
      const auto head = side.random(dtype, vocabulary, width);
      const ops::HeadBranch branch = {hidden,
                                      side.random(DType::f32, rank, width),
                                      side.random(DType::f32, vocabulary, rank),
                                      0.5F,
                                      side.random(DType::f32, rows, rank),
                                      side.random(DType::f32, rows, rank),
                                      side.random(DType::f32, vocabulary, rank)};
      const auto nll = side.random_vector(rows);
      const auto correct = side.bytes(rows);
      ops::cross_entropy_forward(context, hidden, head, targets, nll, correct, {&branch, 1});
      side.result("nll", nll, {1e-4, 1e-5});
      side.result("correct", correct);
      const ops::LogitTransform transform = {.scale = 0.5F, .soft_cap = 3.0F};
      ops::cross_entropy_forward(context, hidden, head, targets, nll, {}, {&branch, 1}, transform);
      side.result("nll of transformed logits", nll, {1e-4, 1e-5});
      const auto dhidden = side.random(dtype, rows, width);
      const auto dhead = side.random(DType::f32, vocabulary, width);
      ops::cross_entropy_forward_backward(context, hidden, head, targets, weights, nll, dhidden, dhead,
                                          {&branch, 1});
      const bool f32 = dtype == DType::f32;
      side.result("nll again", nll, {1e-4, 1e-5});
      side.result("dhidden", dhidden, {f32 ? 1e-5 : 5e-3, f32 ? 1e-4 : 1.6e-2});
      side.result("dhead", dhead, {f32 ? 1e-5 : 5e-3, f32 ? 1e-4 : 1.6e-2});
      side.result("du", branch.du, {f32 ? 1e-5 : 5e-3, f32 ? 1e-4 : 1.6e-2});
      side.result("db", branch.db, {f32 ? 1e-5 : 5e-3, f32 ? 1e-4 : 1.6e-2});
      ops::cross_entropy_forward_backward(context, hidden, head, targets, weights, nll, dhidden, {},
                                          {&branch, 1}, transform);
      side.result("dhidden of transformed logits", dhidden, {f32 ? 1e-5 : 5e-3, f32 ? 1e-4 : 1.6e-2});
      const auto logits = side.random(DType::f32, rows, vocabulary, 9.0F);
      ops::transform_logits(context, transform, logits);
      side.result("transformed logits", logits, {1e-6, 1e-6});
    });
  }
}

}  // namespace
}  // namespace cola::test
