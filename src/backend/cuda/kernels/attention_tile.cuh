#pragma once
#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>
#include <type_traits>

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
    const RowRange rows = {row_, row_ + step < at_->end ? row_ + step : at_->end, at_->gap};
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

/// What the sizes say of scores beside their scale; `plain`: nothing, and nothing is done for it.
template <bool plain>
class Scoring {
 public:
  /// unit: of the scores that cap() makes.
  __device__ Scoring(const AttentionSizes& sizes, float unit) {
    if constexpr (!plain) {
      cap_ = sizes.soft_cap * unit;
      inverse_ = sizes.soft_cap > 0.0F ? 1.0F / cap_ : 0.0F;
      window_ = sizes.window > 0 ? sizes.window : no_window;
    }
  }

  /// Products with keys become scores where there is a soft cap; returns what is left to multiply them by:
  /// `factor`, where there is none.
  template <int count>
  __device__ __forceinline__ float cap(float (&products)[count], float factor) const {
    if constexpr (plain) {
      return factor;
    } else {
      if (inverse_ == 0.0F) return factor;
#pragma unroll
      for (int i = 0; i < count; ++i) products[i] = cap_ * tanhf(products[i] * (factor * inverse_));
      return 1.0F;
    }
  }
  template <int rows, int count>
  __device__ __forceinline__ float cap(float (&products)[rows][count], float factor) const {
    float left = factor;
#pragma unroll
    for (int r = 0; r < rows; ++r) left = cap(products[r], factor);
    return left;
  }
  /// d score / d product, over the factor.
  [[nodiscard]] __device__ __forceinline__ float slope(float score) const {
    if constexpr (plain) {
      return 1.0F;
    } else {
      const float ratio = score * inverse_;
      return 1.0F - ratio * ratio;
    }
  }

  /// The first key that the query at row `query` (key_shift added) sees, of a range with this gap.
  [[nodiscard]] __device__ __forceinline__ int first_key(int query, int gap) const {
    return query - gap - window_ + 1;
  }
  /// Whether that key lies behind row `key`.
  [[nodiscard]] __device__ __forceinline__ bool hides(int key, int query, int gap) const {
    return !plain && key < first_key(query, gap);
  }
  /// Behind the last query that sees the key at row `key`.
  [[nodiscard]] __device__ __forceinline__ int end_query(int key, int gap) const {
    return key + gap + window_;
  }

 private:
  static constexpr int no_window = 1 << 30;  // more than rows; sums with rows do not overflow

  float cap_ = 0.0F, inverse_ = 0.0F;
  int window_ = no_window;
};

/// Calls body(std::bool_constant<plain>), as Scoring has it.
template <class Body>
[[nodiscard]] cudaError_t with_scoring(const AttentionSizes& sizes, const Body& body) {
  return sizes.window == 0 && sizes.soft_cap == 0.0F ? body(std::true_type()) : body(std::false_type());
}

/// What running sums are relative to: the largest score so far, or, as long as a query has seen no key, 0.
template <bool plain>
__device__ __forceinline__ float softmax_base(float largest) {
  return !plain && largest == -INFINITY ? 0.0F : largest;
}

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
