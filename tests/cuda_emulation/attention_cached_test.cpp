#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "backend/cuda/kernels/attention.h"
#include "backend/ref/attention.h"
#include "kernel_test.h"

namespace cola::cuda {
namespace {

using test::elements_of;
using test::for_each_dtype;
using test::in;
using test::is_near;
using test::numbers;
using test::random_matrix;
using test::succeeds;
using test::TestMatrix;
using test::to;

struct Shape {
  int heads, kv_heads, head_dim;
  std::int32_t window = 0;
  float soft_cap = 0.0F;
};

/// Whole sequences of which the last rows are new; each has a cache with room for more rows, which hold NaN.
template <class T>
class Decoding {
 public:
  Decoding(const Shape& shape, std::vector<std::int32_t> lengths, const std::vector<std::int32_t>& new_rows)
      : shape_(shape), lengths_(std::move(lengths)) {
    std::vector<std::int32_t> whole = {0};
    for (const std::int32_t length : lengths_) whole.push_back(whole.back() + length);
    const std::int64_t total = whole.back();
    const std::int64_t q_cols = shape.heads * shape.head_dim;
    const std::int64_t k_cols = shape.kv_heads * shape.head_dim;
    const TestMatrix q = random_matrix(dtype_of<T>, total, q_cols, 1, 1.5);
    const TestMatrix k = random_matrix(dtype_of<T>, total, k_cols, 2, 1.5);
    const TestMatrix v = random_matrix(dtype_of<T>, total, k_cols, 3);
    const float scale = 1.0F / std::sqrt(static_cast<float>(shape.head_dim));
    const auto expected = ref::attention_forward<double>(
        {static_cast<std::size_t>(shape.heads), static_cast<std::size_t>(shape.kv_heads),
         static_cast<std::size_t>(shape.head_dim), static_cast<double>(scale),
         static_cast<std::size_t>(shape.window), static_cast<double>(shape.soft_cap)},
        whole, {}, numbers(q.view()), numbers(k.view()), numbers(v.view()));
    for (std::size_t s = 0; s < lengths_.size(); ++s) {
      for (const TestMatrix* source : {&k, &v}) {
        caches_.emplace_back(dtype_of<T>, lengths_[s] + 3, k_cols, 8);
        copy(source->view().row_range(whole[s], whole[s + 1]), caches_.back().view());
        for (std::int64_t row = lengths_[s]; row < lengths_[s] + 3; ++row) {
          test::set_element(caches_.back().view(), row, 0, std::numeric_limits<double>::quiet_NaN());
        }
      }
      for (std::int32_t row = lengths_[s] - new_rows[s]; row < lengths_[s]; ++row) {
        rows_.push_back(whole[s] + row);
        sequence_of_.push_back(static_cast<std::int32_t>(s));
        last_key_.push_back(row);
      }
      offsets_.push_back(static_cast<std::int32_t>(rows_.size()));
    }
    for (std::size_t s = 0; s < lengths_.size(); ++s) {
      const ConstMatrixView keys = caches_[2 * s].view();
      const ConstMatrixView values = caches_[2 * s + 1].view();
      cached_.push_back({static_cast<const T*>(keys.data), static_cast<const T*>(values.data), keys.stride,
                         values.stride, lengths_[s]});
    }
    const auto count = std::ssize(rows_);
    sizes_ = {count, shape.heads, shape.kv_heads, shape.head_dim, scale, shape.window, shape.soft_cap};
    q_ = TestMatrix(dtype_of<T>, count, q_cols, 8);
    out_ = TestMatrix(dtype_of<T>, count, q_cols, 8);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t row = rows_[static_cast<std::size_t>(i)];
      copy(q.view().row_range(row, row + 1), q_.view().row_range(i, i + 1));
      const auto from = expected.out.begin() + row * q_cols;
      expected_.insert(expected_.end(), from, from + q_cols);
    }
  }

  void check_tiles() {
    const AttentionTiles tiles = cached_query_tiles(offsets_, lengths_, shape_.window);
    run([&] {
      return attention_cached_tiles<T>(nullptr, {sizes_, in<T>(q_), cached_.data(), to<T>(out_)},
                                       {std::ssize(tiles.tiles), tiles.tiles.data(), tiles.ranges.data()},
                                       true);
    });
  }
  void check_rows(bool aligned) {
    std::int64_t most_keys = *std::ranges::max_element(lengths_);
    if (shape_.window > 0) most_keys = std::min<std::int64_t>(most_keys, shape_.window);
    std::vector<float> scratch(static_cast<std::size_t>(attention_cached_scratch(sizes_, most_keys)),
                               std::numeric_limits<float>::quiet_NaN());
    run([&] {
      return attention_cached_rows<T>(nullptr, {sizes_, in<T>(q_), cached_.data(), to<T>(out_)},
                                      sequence_of_.data(), last_key_.data(), most_keys, aligned,
                                      scratch.data());
    });
  }

 private:
  static void copy(ConstMatrixView from, MatrixView to) {
    for (std::int64_t row = 0; row < from.rows; ++row) {
      for (std::int64_t col = 0; col < from.cols; ++col) {
        test::set_element(to, row, col, test::element(from, row, col));
      }
    }
  }
  /// f32 and bf16 as attention_test.cpp has them.
  template <class Run>
  void run(const Run& run) {
    SCOPED_TRACE(testing::Message() << name_of(dtype_of<T>) << " heads " << shape_.heads << "/"
                                    << shape_.kv_heads << " x " << shape_.head_dim << " window "
                                    << shape_.window);
    test::run_in_every_order([&] {
      EXPECT_TRUE(succeeds(run()));
      return elements_of({&out_});
    });
    const test::Tolerance tolerance =
        dtype_of<T> == DType::f32 ? test::Tolerance{6e-6, 6e-6, 1e-11} : test::Tolerance{8e-3, 0x1p-8, 2e-5};
    EXPECT_TRUE(is_near(out_.view(), expected_, tolerance));
    EXPECT_TRUE(out_.padding_intact());
  }

  Shape shape_;
  std::vector<std::int32_t> lengths_, offsets_{0}, rows_, sequence_of_, last_key_;
  std::vector<TestMatrix> caches_;
  std::vector<CachedRows<T>> cached_;
  AttentionSizes sizes_{};
  TestMatrix q_{DType::f32, 0, 0}, out_{DType::f32, 0, 0};
  std::vector<double> expected_;
};

TEST(CudaAttentionCached, TilesAgreeWithTheReference) {
  for_each_dtype([]<class T>(T) {
    for (const Shape& shape : {Shape{4, 2, 24}, Shape{2, 2, 80}, Shape{2, 1, 13}}) {
      Decoding<T>(shape, {12, 90, 131}, {12, 1, 70}).check_tiles();
    }
  });
}

TEST(CudaAttentionCached, RowsAgreeWithTheReference) {
  for_each_dtype([]<class T>(T) {
    for (const Shape& shape : {Shape{2, 2, 13}, Shape{2, 2, 64}, Shape{20, 2, 16}, Shape{4, 1, 128}}) {
      Decoding<T>(shape, {1, 30, 200}, {1, 3, 2}).check_rows(false);
      Decoding<T>(shape, {1, 30, 520}, {1, 1, 2})
          .check_rows(true);  // three splits; aligned where head_dim is
    }
  });
}

TEST(CudaAttentionCached, WindowsAndSoftCapsAgreeWithTheReference) {
  for_each_dtype([]<class T>(T) {
    for (const auto& [window, soft_cap] : std::vector<std::pair<int, float>>{
             {1, 0.0F}, {5, 1.5F}, {64, 0.0F}, {100, 1.5F}, {0, 1.5F}, {600, 0.0F}}) {
      Decoding<T>({4, 2, 24, window, soft_cap}, {12, 90, 131}, {12, 1, 70}).check_tiles();
      Decoding<T>({4, 2, 13, window, soft_cap}, {1, 30, 131}, {1, 3, 2}).check_rows(false);
    }
    for (const std::int32_t window : {256, 300, 519}) {  // one split, two, and three
      Decoding<T>({4, 2, 16, window, 1.5F}, {1, 30, 700}, {1, 1, 2}).check_rows(true);
    }
  });
}

TEST(CudaAttentionCached, NoNewRowsAreNoWork) {
  for_each_dtype([]<class T>(T) {
    Decoding<T> decoding({2, 2, 16}, {9, 4}, {0, 2});
    decoding.check_tiles();
    decoding.check_rows(true);
  });
}

}  // namespace
}  // namespace cola::cuda
