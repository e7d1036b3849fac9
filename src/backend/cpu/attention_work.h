#pragma once
#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "backend/attention.h"
#include "backend/context.h"
#include "core/parallel.h"

// How attention is divided among threads: items of one sequence and one key/value head, which share nothing.
namespace cola::ops {

/// Throws std::logic_error unless the heads divide evenly and the offsets rise from 0 to `tokens`.
void check_sequences(const AttentionShape& shape, std::span<const std::int32_t> offsets, std::int64_t tokens,
                     std::string_view op);
void check_heads(const AttentionShape& shape, std::string_view op);

/// Sequence numbers, the longest first (the first of equals): the work that takes longest starts first.
[[nodiscard]] std::vector<std::int32_t> longest_first(std::span<const std::int32_t> offsets);

/// Multiply-adds of one causal product of all sequences and heads: head_dim for each pair of a query and a
/// key.
[[nodiscard]] double causal_product(const AttentionShape& shape, std::span<const std::int32_t> offsets);

/// Threads worth starting for `items` items with this many multiply-adds together.
[[nodiscard]] std::int64_t attention_threads(std::int64_t items, double multiply_adds);

/// Columns [begin, begin + count) of a view.
[[nodiscard]] ConstMatrixView columns(ConstMatrixView view, std::int64_t begin, std::int64_t count);
[[nodiscard]] MatrixView columns(MatrixView view, std::int64_t begin, std::int64_t count);

/// Calls body(item, scratch) for 0 .. items-1 with `floats` floats of scratch memory, one after the other on
/// each thread. A free thread takes the next item: which thread runs an item makes no difference to its
/// result.
template <class Body>
void for_each_item(Context& context, std::int64_t items, std::int64_t threads, std::int64_t floats,
                   const Body& body) {
  const MatrixView scratch = context.scratch("attention", DType::f32, threads, (floats + 15) / 16 * 16);
  std::atomic<std::int64_t> next{0};
  parallel_for(threads, 1, [&](std::int64_t begin, std::int64_t /*end*/) {
    float* memory = scratch.as<float>() + begin * scratch.stride;
    for (std::int64_t item = next++; item < items; item = next++) body(item, memory);
  });
}

}  // namespace cola::ops
