#pragma once
// An op on the CPU and on CUDA, from the same operands. The CPU's is tested against ref/ in tests/backend.
#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "core/error.h"
#include "core/random.h"

namespace cola::test {

/// |actual - expected| <= absolute + relative |expected|, element by element; and the whole by its direction:
/// 1 - cosine <= 10 relative^2, which a systematic error of that size would exceed.
struct Tolerance {
  double absolute = 0.0;
  double relative = 0.0;
};

/// f32: sums of a few thousand terms of order one in another order. bf16: one rounding of the result, to 8
/// bits, and one of what it is made of.
[[nodiscard]] inline Tolerance tolerance_of(DType dtype) {
  return dtype == DType::f32 ? Tolerance{2e-5, 2e-5} : Tolerance{1e-2, 1.6e-2};
}

/// The test's operands on one backend, and what its ops made of them.
class Side {
 public:
  explicit Side(ops::Backend& backend) : context(backend) {}

  /// Uniform in [-scale, scale): the n-th operand of a test is the same on both sides.
  [[nodiscard]] MatrixView random(DType dtype, std::int64_t rows, std::int64_t cols, float scale = 1.0F) {
    Matrix host(dtype, rows, cols);
    RandomStream stream(1, RandomPurpose::benchmark, matrices_.size());
    for (std::int64_t i = 0; i < host.size(); ++i) {
      const float value = (2.0F * stream.next_uniform() - 1.0F) * scale;
      if (dtype == DType::bf16) {
        host.view().as<BFloat16>()[i] = BFloat16(value);
      } else {
        host.view().as<float>()[i] = value;
      }
    }
    return matrix(std::move(host));
  }
  /// The same on both sides.
  [[nodiscard]] MatrixView matrix(Matrix host) {
    matrices_.push_back(Matrix::moved_to(context.memory(), std::move(host)));
    return matrices_.back().view();
  }
  [[nodiscard]] std::span<float> random_vector(std::int64_t size, float scale = 1.0F) {
    return floats(random(DType::f32, 1, size, scale));
  }
  [[nodiscard]] static std::span<float> floats(MatrixView view) {
    return {view.as<float>(), static_cast<std::size_t>(view.rows * view.cols)};
  }
  [[nodiscard]] std::span<std::uint8_t> bytes(std::int64_t size) {
    Buffer& buffer = buffers_.emplace_back(context.memory());
    buffer.resize(static_cast<std::size_t>(size));
    buffer.memory().fill_zero(buffer.data(), buffer.size());
    return buffer.as<std::uint8_t>();
  }

  void result(const std::string& name, ConstMatrixView view, Tolerance tolerance) {
    const Matrix host = Matrix::copy_of(view, context.memory());
    std::vector<float> values;
    for (std::int64_t i = 0; i < host.size(); ++i) {
      values.push_back(view.dtype == DType::bf16 ? static_cast<float>(host.view().as<BFloat16>()[i])
                                                 : host.view().as<float>()[i]);
    }
    results.push_back({name, std::move(values), tolerance});
  }
  void result(const std::string& name, std::span<const float> values, Tolerance tolerance) {
    result(name, {values.data(), DType::f32, 1, std::ssize(values), std::ssize(values)}, tolerance);
  }
  void result(const std::string& name, std::span<const std::uint8_t> values) {
    std::vector<std::uint8_t> host(values.size());
    context.memory().download(std::as_bytes(values).data(), std::as_writable_bytes(std::span(host)).data(),
                              values.size());
    results.push_back({name, {host.begin(), host.end()}, {}});
  }
  void result(const std::string& name, double value, double relative) {
    results.push_back({name, {static_cast<float>(value)}, {0.0, relative}});
  }

  struct Result {
    std::string name;
    std::vector<float> values;
    Tolerance tolerance;
  };

  ops::Context context;
  std::vector<Result> results;

 private:
  std::deque<Matrix> matrices_;  ///< views of them are kept
  std::deque<Buffer> buffers_;
};

inline void expect_close(const Side::Result& actual, const Side::Result& expected) {
  ASSERT_EQ(actual.values.size(), expected.values.size()) << expected.name;
  double worst = 0.0;  // in tolerances
  std::size_t at = 0;
  double products = 0.0;
  double squares = 0.0;
  double expected_squares = 0.0;
  for (std::size_t i = 0; i < actual.values.size(); ++i) {
    const auto is = static_cast<double>(actual.values[i]);
    const auto should = static_cast<double>(expected.values[i]);
    const double allowed = expected.tolerance.absolute + expected.tolerance.relative * std::abs(should);
    const double error = std::abs(is - should);
    const double part = std::isnan(error) ? INFINITY : error == 0.0 ? 0.0 : error / allowed;
    if (part > worst) {
      worst = part;
      at = i;
    }
    products += is * should;
    squares += is * is;
    expected_squares += should * should;
  }
  EXPECT_LE(worst, 1.0) << expected.name << " at " << at << ": " << actual.values[at] << ", expected "
                        << expected.values[at];
  if (squares > 0.0 && expected_squares > 0.0 && actual.values.size() > 1) {
    const double limit = 10.0 * expected.tolerance.relative * expected.tolerance.relative + 1e-12;
    EXPECT_LE(1.0 - products / std::sqrt(squares * expected_squares), limit) << expected.name;
  }
}

/// Skips where there is no device to use.
class CudaTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!ops::cuda_is_usable()) GTEST_SKIP() << "no CUDA device";
    cuda_ = ops::open_backend("cuda");
  }

  /// Runs body(side) on both and compares all results; on CUDA twice: the bits must be the same.
  void compare(const std::function<void(Side&)>& body) {
    Side expected(ops::cpu_backend());
    body(expected);
    Side actual(*cuda_);
    body(actual);
    Side again(*cuda_);
    body(again);
    ASSERT_EQ(actual.results.size(), expected.results.size());
    for (std::size_t i = 0; i < expected.results.size(); ++i) {
      expect_close(actual.results[i], expected.results[i]);
      EXPECT_EQ(actual.results[i].values, again.results[i].values) << expected.results[i].name << ", again";
    }
    EXPECT_EQ(actual.context.flops(), expected.context.flops());
  }

  std::shared_ptr<ops::Backend> cuda_;
};

inline constexpr DType both_dtypes[] = {DType::f32, DType::bf16};

}  // namespace cola::test
