#pragma once
#include <cstdint>

#include "core/matrix.h"

namespace cola::ops {

/// A rectangle of a matrix.
struct BlockRange {
  std::int64_t row_begin, row_end, col_begin, col_end;

  [[nodiscard]] std::int64_t rows() const { return row_end - row_begin; }
  [[nodiscard]] std::int64_t cols() const { return col_end - col_begin; }
};

/// Blocks of an epilogue begin at multiples of so many columns.
constexpr std::int64_t epilogue_cols = 64;

/// What is done with a product's result, block by block, by the thread that has written a block and while its
/// cache still has it. The blocks cover the result once; rows begin anywhere, columns at multiples of
/// epilogue_cols. Refers to a callable, which outlives the product and does not throw.
class BlockEpilogue {
 public:
  BlockEpilogue() = default;
  template <class Body>
  explicit BlockEpilogue(const Body& body)
      : body_(&body),
        run_([](const void* of, const BlockRange& block) { (*static_cast<const Body*>(of))(block); }) {}

  [[nodiscard]] bool empty() const { return run_ == nullptr; }
  void operator()(const BlockRange& block) const {
    if (run_ != nullptr) run_(body_, block);
  }

 private:
  const void* body_ = nullptr;
  void (*run_)(const void*, const BlockRange&) = nullptr;
};

}  // namespace cola::ops
