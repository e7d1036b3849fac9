#pragma once
#include <cstdint>

#include "backend/cuda/kernels/attention_plan.h"
#include "backend/cuda/kernels/queue.h"
#include "backend/cuda/kernels/rows.h"

// Launchers of backend/attention.h. Pointers, tiles and ranges are device memory; T is float or BFloat16.
// BFloat16 with aligned rows and a head_dim that is a multiple of 8, at most 128, runs on tensor cores, with
// weights and score gradients rounded to bf16 between the products; everything else in plain f32 arithmetic.
// No atomics: the same bits in every run. head_dim is at most most_head_dim; cudaErrorInvalidValue if not.
namespace cola::cuda {

constexpr std::int64_t most_head_dim = 256;

struct AttentionSizes {
  std::int64_t rows = 0;  ///< T
  std::int32_t heads = 0, kv_heads = 0, head_dim = 0;
  float scale = 0.0F;
  std::int32_t window = 0;  ///< as of the tiles; 0 where every query sees all keys before it
  float soft_cap = 0.0F;    ///< 0: none
};

/// AttentionTiles on the device.
struct DeviceTiles {
  std::int64_t count = 0;
  const AttentionTile* tiles = nullptr;
  const RowRange* ranges = nullptr;
};

template <class T>
struct AttentionForward {
  AttentionSizes sizes;
  DeviceTiles queries;      ///< query_tiles
  Rows<const T> q;          ///< [T, heads * head_dim]
  Rows<const T> k, v;       ///< [T, kv_heads * head_dim]
  Rows<T> out;              ///< [T, heads * head_dim]
  Rows<float> log_sum_exp;  ///< [T, heads]
};
template <class T>
[[nodiscard]] cudaError_t attention_forward(Queue queue, const AttentionForward<T>& work);

template <class T>
struct AttentionBackward {
  AttentionSizes sizes;
  DeviceTiles queries;  ///< query_tiles
  DeviceTiles keys;     ///< key_tiles
  Rows<const T> dout, q, k, v, out;
  Rows<const float> log_sum_exp;
  Rows<float> delta;  ///< [T, heads] scratch: row sums of dout * out
  Rows<T> dq, dk, dv;
};
/// dq, dk, dv are written: of all rows that a tile names.
template <class T>
[[nodiscard]] cudaError_t attention_backward(Queue queue, const AttentionBackward<T>& work);

/// The keys and values of one sequence so far: [length, kv_heads * head_dim] each, `stride` elements a row.
template <class T>
struct CachedRows {
  const T* keys;
  const T* values;
  std::int64_t key_stride, value_stride;
  std::int32_t length;
};

/// Attention of the last rows of sequences over their caches.
template <class T>
struct AttentionCached {
  AttentionSizes sizes;  ///< rows: of q and out
  Rows<const T> q;
  const CachedRows<T>* caches;  ///< [S], device memory
  Rows<T> out;
};

/// For many new rows of a sequence (a prompt): cached_query_tiles. aligned: every cache's pointers and
/// strides are multiples of 16 bytes.
template <class T>
[[nodiscard]] cudaError_t attention_cached_tiles(Queue queue, const AttentionCached<T>& work,
                                                 const DeviceTiles& queries, bool aligned);

/// For few (decoding): each row's keys are divided among blocks. sequence_of and last_key [rows] (device):
/// row i belongs to cache sequence_of[i] and sees its keys up to last_key[i]. most_keys: that one of them
/// sees. scratch: attention_cached_scratch floats.
[[nodiscard]] std::int64_t attention_cached_scratch(const AttentionSizes& sizes, std::int64_t most_keys);
template <class T>
[[nodiscard]] cudaError_t attention_cached_rows(Queue queue, const AttentionCached<T>& work,
                                                const std::int32_t* sequence_of, const std::int32_t* last_key,
                                                std::int64_t most_keys, bool aligned, float* scratch);

}  // namespace cola::cuda
