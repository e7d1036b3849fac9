#pragma once
#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "backend/cpu/block_epilogue.h"
#include "core/parallel.h"
#include "support/tensors.h"

namespace cola::ops {

/// The tests' scope for the number of threads.
class Threads {
 public:
  explicit Threads(int count) : before_(thread_count()) { set_thread_count(count); }
  ~Threads() { set_thread_count(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

/// An epilogue that notes what it sees of the result.
class BlocksSeen {
 public:
  explicit BlocksSeen(ConstMatrixView result)
      : result_(result),
        times_(static_cast<std::size_t>(result.rows * result.cols)),
        values_(times_.size()) {}

  void operator()(const BlockRange& block) const {
    if (block.col_begin % epilogue_cols != 0) misplaced_ = true;
    for (std::int64_t row = block.row_begin; row < block.row_end; ++row) {
      for (std::int64_t col = block.col_begin; col < block.col_end; ++col) {
        const auto index = static_cast<std::size_t>(row * result_.cols + col);
        ++times_[index];
        values_[index] = test::element(result_, row, col);
      }
    }
  }

  /// Every element once, as it is at last.
  void expect_all() const {
    EXPECT_FALSE(misplaced_);
    for (const auto& times : times_) ASSERT_EQ(times, 1);
    EXPECT_EQ(values_, test::numbers(result_));
  }

 private:
  ConstMatrixView result_;
  mutable std::vector<std::atomic<int>> times_;
  mutable std::vector<double> values_;
  mutable std::atomic<bool> misplaced_ = false;
};

}  // namespace cola::ops
