#include "backend/cuda/kernels/attention_tile.cuh"

// Decoding: a query against the keys of its cache, which are read once. A block has one row, one key/value
// head with all the query heads that read it, and split_keys of the keys; the parts of a row are put together
// in their order.
namespace cola::cuda {
namespace {

constexpr int threads = 256;
constexpr int warps = threads / warp_size;
constexpr int split_keys = 256;
constexpr int most_heads = 8;  ///< query heads at a time
constexpr int key_lanes = 8;   ///< lanes that share a key's columns
constexpr int warp_keys = warp_size / key_lanes;

template <class T>
struct CachedWork {
  AttentionSizes sizes;
  Rows<const T> q;
  const CachedRows<T>* caches;
  Rows<T> out;
  const std::int32_t* sequence_of;
  const std::int32_t* last_key;
  int splits;
  float* partial;  ///< [rows, heads, splits, head_dim + 2]: weighted sums of values, the largest score, the
                   ///< weights' sum

  /// The first key that a row sees.
  [[nodiscard]] __device__ int first_key(std::int64_t row) const {
    const int first = last_key[row] + 1 - sizes.window;
    return sizes.window > 0 && first > 0 ? first : 0;
  }
  [[nodiscard]] __device__ float* part(std::int64_t row, int head, int split) const {
    return partial + ((row * sizes.heads + head) * splits + split) * (sizes.head_dim + 2);
  }
};

template <int width>
struct Shared {
  float q[most_heads][most_head_dim];          ///< times scale and log2 e
  float weights[most_heads][split_keys];       ///< scores first
  float largest[most_heads], sum[most_heads];  ///< in units of log 2
  float sums[threads][width];
};

/// The block's share of a query's work.
struct Share {
  int first_key, keys;    ///< of the split
  int first_head, heads;  ///< query heads, at most most_heads
};

/// scores[h][i] = q_h k_i for the split's keys.
template <class T, int width>
__device__ __forceinline__ void make_scores(Shared<width>& shared, const Share& share,
                                            const Rows<const T>& keys, std::int64_t first_col, int head_dim) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const int warp = static_cast<int>(threadIdx.x) / warp_size;
  for (int base = warp * warp_keys; base < share.keys; base += warps * warp_keys) {
    const int key = base + lane / key_lanes;
    float sums[most_heads] = {};
    for (int col = lane % key_lanes * width; key < share.keys && col < head_dim; col += key_lanes * width) {
      float values[width];
      load(keys[share.first_key + key] + first_col + col, values);
#pragma unroll
      for (int h = 0; h < most_heads; ++h) {
        if (h >= share.heads) break;
#pragma unroll
        for (int i = 0; i < width; ++i) sums[h] += shared.q[h][col + i] * values[i];
      }
    }
#pragma unroll
    for (int h = 0; h < most_heads; ++h) {
      if (h >= share.heads) break;
      const float score = warp_sum<key_lanes>(sums[h]);
      if (lane % key_lanes == 0 && key < share.keys) shared.weights[h][key] = score;
    }
  }
}

/// Scores become weights 2^(score - largest), a head by a warp. soft_cap: in units of log 2; 0: none.
template <int width>
__device__ __forceinline__ void make_weights(Shared<width>& shared, const Share& share, float soft_cap) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  for (int h = static_cast<int>(threadIdx.x) / warp_size; h < share.heads; h += warps) {
    for (int i = lane; soft_cap > 0.0F && i < share.keys; i += warp_size)
      shared.weights[h][i] = soft_cap * tanhf(shared.weights[h][i] / soft_cap);
    float largest = -INFINITY;
    for (int i = lane; i < share.keys; i += warp_size) largest = fmaxf(largest, shared.weights[h][i]);
    largest = warp_max(largest);
    float sum = 0.0F;
    for (int i = lane; i < share.keys; i += warp_size) {
      const float weight = exp2f(shared.weights[h][i] - largest);
      shared.weights[h][i] = weight;
      sum += weight;
    }
    sum = warp_sum(sum);
    if (lane == 0) {
      shared.largest[h] = largest;
      shared.sum[h] = sum;
    }
  }
}

/// The values under the weights: threads share columns and keys, then a thread a column adds up its parts.
template <class T, int width>
__device__ __forceinline__ void write_sums(Shared<width>& shared, const Share& share,
                                           const Rows<const T>& values, std::int64_t first_col,
                                           const CachedWork<T>& work, std::int64_t row) {
  const int head_dim = work.sizes.head_dim;
  const int thread = static_cast<int>(threadIdx.x);
  const int items = head_dim / width;
  const int parts = threads / items;
  float sums[most_heads][width] = {};
  for (int key = thread / items; thread < parts * items && key < share.keys; key += parts) {
    float of_key[width];
    load(values[share.first_key + key] + first_col + thread % items * width, of_key);
#pragma unroll
    for (int h = 0; h < most_heads; ++h) {
      if (h >= share.heads) break;
#pragma unroll
      for (int i = 0; i < width; ++i) sums[h][i] += shared.weights[h][key] * of_key[i];
    }
  }
#pragma unroll
  for (int h = 0; h < most_heads; ++h) {
    if (h >= share.heads) break;
#pragma unroll
    for (int i = 0; i < width; ++i) shared.sums[thread][i] = sums[h][i];
    __syncthreads();
    const int head = share.first_head + h;
    if (thread < head_dim) {
      float total = 0.0F;
      for (int part = 0; part < parts; ++part)
        total += shared.sums[part * items + thread / width][thread % width];
      if (work.splits == 1) {
        store_float(total / shared.sum[h],
                    work.out[row] + static_cast<std::int64_t>(head) * head_dim + thread);
      } else {
        work.part(row, head, static_cast<int>(blockIdx.z))[thread] = total;
      }
    }
    if (work.splits > 1 && thread == 0) {
      float* part = work.part(row, head, static_cast<int>(blockIdx.z));
      part[head_dim] = shared.largest[h];
      part[head_dim + 1] = shared.sum[h];
    }
    __syncthreads();
  }
}

template <class T, int width>
__global__ void __launch_bounds__(threads) cached_kernel(CachedWork<T> work) {
  Shared<width>& shared = *shared_memory<Shared<width>>();
  const std::int64_t row = blockIdx.x;
  const int kv_head = static_cast<int>(blockIdx.y);
  const int head_dim = work.sizes.head_dim;
  const int group = work.sizes.heads / work.sizes.kv_heads;
  const CachedRows<T> cache = work.caches[work.sequence_of[row]];
  const int first_key = work.first_key(row) + static_cast<int>(blockIdx.z) * split_keys;
  const int keys = work.last_key[row] + 1 - first_key;
  if (keys <= 0) return;
  const std::int64_t first_col = static_cast<std::int64_t>(kv_head) * head_dim;
  for (int begin = 0; begin < group; begin += most_heads) {
    const Share share = {first_key, keys < split_keys ? keys : split_keys, kv_head * group + begin,
                         group - begin < most_heads ? group - begin : most_heads};
    const T* q = work.q[row] + static_cast<std::int64_t>(share.first_head) * head_dim;
    for (int at = static_cast<int>(threadIdx.x); at < share.heads * head_dim; at += threads) {
      shared.q[at / head_dim][at % head_dim] = to_float(q[at]) * work.sizes.scale * log2_e;
    }
    __syncthreads();
    make_scores(shared, share, Rows<const T>{cache.keys, cache.key_stride}, first_col, head_dim);
    __syncthreads();
    make_weights(shared, share, work.sizes.soft_cap * log2_e);
    __syncthreads();
    write_sums(shared, share, Rows<const T>{cache.values, cache.value_stride}, first_col, work, row);
  }
}

/// out = the parts' sums, each brought to the largest score of all; a thread a column.
template <class T>
struct Combine {
  CachedWork<T> work;

  __device__ void operator()(std::int64_t row, std::int64_t col) const {
    const int head_dim = work.sizes.head_dim;
    const int head = static_cast<int>(col) / head_dim;
    const int parts = (work.last_key[row] - work.first_key(row) + split_keys) / split_keys;
    float largest = -INFINITY;
    for (int split = 0; split < parts; ++split)
      largest = fmaxf(largest, work.part(row, head, split)[head_dim]);
    float total = 0.0F;
    float sum = 0.0F;
    for (int split = 0; split < parts; ++split) {
      const float* part = work.part(row, head, split);
      const float factor = exp2f(part[head_dim] - largest);
      total += factor * part[static_cast<int>(col) % head_dim];
      sum += factor * part[head_dim + 1];
    }
    store_float(total / sum, work.out[row] + col);
  }
};

std::int64_t splits_of(std::int64_t most_keys) { return blocks_of(most_keys, split_keys); }

}  // namespace

std::int64_t attention_cached_scratch(const AttentionSizes& sizes, std::int64_t most_keys) {
  const std::int64_t splits = splits_of(most_keys);
  return splits <= 1 ? 0 : sizes.rows * sizes.heads * splits * (sizes.head_dim + 2);
}

template <class T>
cudaError_t attention_cached_rows(Queue queue, const AttentionCached<T>& cached,
                                  const std::int32_t* sequence_of, const std::int32_t* last_key,
                                  std::int64_t most_keys, bool aligned, float* scratch) {
  const AttentionSizes& sizes = cached.sizes;
  if (!is_valid(sizes)) return cudaErrorInvalidValue;
  const CachedWork<Element<T>> work = {sizes,
                                       on_device(cached.q),
                                       reinterpret_cast<const CachedRows<Element<T>>*>(cached.caches),
                                       on_device(cached.out),
                                       sequence_of,
                                       last_key,
                                       static_cast<int>(splits_of(most_keys)),
                                       scratch};
  const cudaError_t error = with_width(aligned && sizes.head_dim % wide == 0, [&](auto width) {
    const dim3 grid(static_cast<unsigned>(sizes.rows), static_cast<unsigned>(sizes.kv_heads),
                    static_cast<unsigned>(work.splits));
    return launch(cached_kernel<Element<T>, width>, grid, dim3(threads), sizeof(Shared<width>), queue, work);
  });
  if (error != cudaSuccess || work.splits <= 1) return error;
  return launch_each(queue, sizes.rows, std::int64_t{sizes.heads} * sizes.head_dim,
                     Combine<Element<T>>{work});
}

template cudaError_t attention_cached_rows(Queue, const AttentionCached<float>&, const std::int32_t*,
                                           const std::int32_t*, std::int64_t, bool, float*);
template cudaError_t attention_cached_rows(Queue, const AttentionCached<BFloat16>&, const std::int32_t*,
                                           const std::int32_t*, std::int64_t, bool, float*);

}  // namespace cola::cuda
