#pragma once
#include <cuda_runtime.h>

#include <cstdint>

#include "backend/cuda/kernels/attention.h"
#include "backend/cuda/kernels/elements.cuh"
#include "backend/cuda/kernels/warp.cuh"

// What the attention kernels share: how a block walks over the ranges of its tile.
namespace cola::cuda {

/// Goes through a tile's ranges `step` rows at a time.
class RangeWalk {
 public:
  __device__ RangeWalk(const AttentionTile& tile, const RowRange* ranges)
      : at_(ranges + tile.first_range), end_(ranges + tile.end_range), row_(at_ < end_ ? at_->begin : 0) {}

  /// The next rows, `step` or the rest of a range; none (begin == end) when all are done.
  template <int step>
  __device__ RowRange next() {
    if (at_ == end_) return {0, 0};
    const RowRange rows = {row_, row_ + step < at_->end ? row_ + step : at_->end};
    row_ = rows.end;
    if (row_ == at_->end && ++at_ < end_) row_ = at_->begin;
    return rows;
  }

 private:
  const RowRange* at_;
  const RowRange* end_;
  std::int32_t row_;
};

/// Query head h reads key/value head h / (heads / kv_heads).
[[nodiscard]] __device__ inline int key_head(const AttentionSizes& sizes, int head) {
  return head / (sizes.heads / sizes.kv_heads);
}

[[nodiscard]] inline bool is_valid(const AttentionSizes& sizes) {
  return sizes.head_dim > 0 && sizes.head_dim <= most_head_dim && sizes.kv_heads > 0 &&
         sizes.heads % sizes.kv_heads == 0 && sizes.heads <= most_grid_rows;
}

constexpr float log2_e = 1.44269504088896340736F;
constexpr float ln_2 = 0.69314718055994530942F;

/// What a forward is given, in the device's element types; `caches` is null where keys are rows of the batch.
template <class T>
struct ForwardWork {
  AttentionSizes sizes;
  DeviceTiles queries;
  Rows<const T> q, k, v;
  Rows<T> out;
  Rows<float> log_sum_exp;  ///< null: not wanted
  const CachedRows<T>* caches;

  /// The keys and values of a tile.
  __device__ void of_tile(const AttentionTile& tile, Rows<const T>& keys, Rows<const T>& values) const {
    keys = k;
    values = v;
    if (caches == nullptr) return;
    const CachedRows<T>& cache = caches[tile.sequence];
    keys = {cache.keys, cache.key_stride};
    values = {cache.values, cache.value_stride};
  }
};

template <class T>
struct BackwardWork {
  AttentionSizes sizes;
  DeviceTiles queries, keys;
  Rows<const T> dout, q, k, v;
  Rows<const float> log_sum_exp, delta;
  Rows<T> dq, dk, dv;
};

/// Tensor cores: head_dim a multiple of 8, at most 128, rows of whole 16-byte words.
[[nodiscard]] cudaError_t forward_on_tensor_cores(Queue queue, const ForwardWork<__nv_bfloat16>& work);
[[nodiscard]] cudaError_t backward_on_tensor_cores(Queue queue, const BackwardWork<__nv_bfloat16>& work);

/// Any head_dim up to most_head_dim, in f32.
template <class T>
[[nodiscard]] cudaError_t forward_in_f32(Queue queue, const ForwardWork<T>& work);
template <class T>
[[nodiscard]] cudaError_t backward_in_f32(Queue queue, const BackwardWork<T>& work);

}  // namespace cola::cuda
