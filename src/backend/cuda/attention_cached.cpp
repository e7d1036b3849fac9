#include <algorithm>
#include <vector>

#include "backend/attention_pairs.h"
#include "backend/cuda/check.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/elements.h"
#include "backend/cuda/kernels/attention.h"
#include "backend/cuda/ops.h"

namespace cola::ops::cuda {
namespace {

/// Whose keys each new row sees, and the last of them.
struct NewRows {
  std::vector<std::int32_t> sequence_of, last_key, lengths;
  std::int64_t most_keys = 0;  ///< that a row sees
  std::int64_t most_rows = 0;  ///< of a sequence
  std::int32_t window = 0;     ///< 0 where it hides nothing
  std::int64_t pairs = 0;
};

NewRows describe(std::span<const std::int32_t> offsets, std::span<const CachedSequence> sequences,
                 std::int64_t window) {
  NewRows rows;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const std::int64_t length = sequences[s].keys.rows;
    const std::int64_t count = offsets[s + 1] - offsets[s];
    rows.lengths.push_back(static_cast<std::int32_t>(length));
    rows.most_keys = std::max(rows.most_keys, length);
    rows.most_rows = std::max(rows.most_rows, count);
    for (std::int64_t i = 0; i < count; ++i) {
      rows.sequence_of.push_back(static_cast<std::int32_t>(s));
      rows.last_key.push_back(static_cast<std::int32_t>(length - count + i));
    }
    rows.pairs += attention_pairs(count, length, window);
  }
  if (window > 0 && window < rows.most_keys) {
    rows.window = static_cast<std::int32_t>(window);
    rows.most_keys = window;
  }
  return rows;
}

bool is_aligned(ConstMatrixView view) {
  constexpr std::uintptr_t bytes = 16;
  return reinterpret_cast<std::uintptr_t>(view.data) % bytes == 0 &&
         static_cast<std::size_t>(view.stride) * size_of(view.dtype) % bytes == 0;
}

template <class T>
void run(Context& context, const AttentionShape& shape, std::span<const std::int32_t> offsets,
         std::span<const CachedSequence> sequences, ConstMatrixView q, MatrixView out) {
  constexpr std::int64_t worth_tiles = 8;  // rows of a sequence from which its keys are read once for many
  CudaBackend& backend = backend_of(context);
  const NewRows rows = describe(offsets, sequences, shape.window);
  context.add_flops(static_cast<std::uint64_t>(4 * rows.pairs * shape.heads * shape.head_dim));
  std::vector<launch::CachedRows<T>> caches;
  bool aligned = true;
  for (const auto& [keys, values] : sequences) {
    caches.push_back({rows_of<T>(keys).data, rows_of<T>(values).data, keys.stride, values.stride,
                      static_cast<std::int32_t>(keys.rows)});
    aligned = aligned && is_aligned(keys) && is_aligned(values);
  }
  HostArrays& arrays = backend.host_arrays();
  const launch::AttentionSizes sizes = {q.rows,
                                        static_cast<std::int32_t>(shape.heads),
                                        static_cast<std::int32_t>(shape.kv_heads),
                                        static_cast<std::int32_t>(shape.head_dim),
                                        shape.scale,
                                        rows.window,
                                        shape.soft_cap};
  const launch::AttentionCached<T> work = {sizes, rows_of<T>(q), arrays.on_device(caches), rows_of<T>(out)};
  if (rows.most_rows >= worth_tiles) {
    const launch::AttentionTiles tiles = launch::cached_query_tiles(offsets, rows.lengths, rows.window);
    const launch::DeviceTiles queries = {std::ssize(tiles.tiles), arrays.on_device(tiles.tiles),
                                         arrays.on_device(tiles.ranges)};
    require(launch::attention_cached_tiles<T>(backend.queue(), work, queries, aligned), "attention_cached");
    return;
  }
  const MatrixView scratch = context.scratch("cuda attention cached", DType::f32, 1,
                                             launch::attention_cached_scratch(sizes, rows.most_keys));
  require(launch::attention_cached_rows<T>(backend.queue(), work, arrays.on_device(rows.sequence_of),
                                           arrays.on_device(rows.last_key), rows.most_keys, aligned,
                                           scratch.as<float>()),
          "attention_cached");
}

}  // namespace

void attention_cached(Context& context, const AttentionShape& shape, std::span<const std::int32_t> offsets,
                      std::span<const CachedSequence> sequences, ConstMatrixView q, MatrixView out) {
  if (q.rows == 0) return;
  with_element_type(q.dtype, "attention_cached",
                    [&]<class T>(T) { run<T>(context, shape, offsets, sequences, q, out); });
}

}  // namespace cola::ops::cuda
