#include "backend/cuda/kernels/attention_tile.cuh"

// Attention in plain f32 arithmetic for any head_dim up to most_head_dim. A block has 8 warps; a warp has a
// few of the tile's rows, meets 32 rows of the other side at a time, one a lane, and for products with those
// has columns lane, lane + 32, ... of every row.
namespace cola::cuda {
namespace {

constexpr int warps = 8;
constexpr int threads = warps * warp_size;
constexpr int step = warp_size;

/// `count` rows of chunks * 32 columns; 16 bytes more, so that neighbouring rows lie in different banks.
template <int count, int chunks>
struct SharedRows {
  float rows[count][chunks * warp_size + 4];
};

/// Rows of a head as f32, columns first_col .. first_col + head_dim; zeros fill the tile.
template <int count, int chunks, class T>
__device__ __forceinline__ void load_rows(SharedRows<count, chunks>& to, const Rows<const T>& from,
                                          RowRange rows, std::int64_t first_col, int head_dim) {
  constexpr int cols = chunks * warp_size;
  for (int at = static_cast<int>(threadIdx.x); at < count * cols; at += threads) {
    const int row = at / cols;
    const int col = at % cols;
    const bool exists = row < rows.end - rows.begin && col < head_dim;
    to.rows[row][col] = exists ? to_float(from[rows.begin + row][first_col + col]) : 0.0F;
  }
}

/// sums[r] += own row first_row + r times the lane's row of others.
template <int rows, int count, int chunks>
__device__ __forceinline__ void dot_rows(float (&sums)[rows], const SharedRows<count, chunks>& own,
                                         int first_row, const SharedRows<step, chunks>& others) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  for (int col = 0; col < chunks * warp_size; col += 4) {
    const float4 other = *reinterpret_cast<const float4*>(&others.rows[lane][col]);
#pragma unroll
    for (int r = 0; r < rows; ++r) {
      const float4 mine = *reinterpret_cast<const float4*>(&own.rows[first_row + r][col]);
      sums[r] += mine.x * other.x + mine.y * other.y + mine.z * other.z + mine.w * other.w;
    }
  }
}

/// sums[r] += the sum over others begin[r] <= i < end[r] of factors[r][i] times their row i: what a row does
/// not see is not multiplied by zero.
template <int rows, int chunks>
__device__ __forceinline__ void add_rows(float (&sums)[rows][chunks], const float (&factors)[rows][step],
                                         const SharedRows<step, chunks>& others, const int (&begin)[rows],
                                         const int (&end)[rows]) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  for (int i = 0; i < step; ++i) {
    float values[chunks];
#pragma unroll
    for (int chunk = 0; chunk < chunks; ++chunk) values[chunk] = others.rows[i][chunk * warp_size + lane];
#pragma unroll
    for (int r = 0; r < rows; ++r) {
      if (i < begin[r] || i >= end[r]) continue;
#pragma unroll
      for (int chunk = 0; chunk < chunks; ++chunk) sums[r][chunk] += factors[r][i] * values[chunk];
    }
  }
}

/// Writes row first_row + r of the tile, times factors[r].
template <int rows, int chunks, class T>
__device__ __forceinline__ void write_rows(const float (&values)[rows][chunks], const float (&factors)[rows],
                                           const AttentionTile& tile, int first_row, const Rows<T>& to,
                                           std::int64_t first_col, int head_dim) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
#pragma unroll
  for (int r = 0; r < rows; ++r) {
    if (first_row + r >= tile.count) return;
#pragma unroll
    for (int chunk = 0; chunk < chunks; ++chunk) {
      const int col = chunk * warp_size + lane;
      if (col < head_dim) {
        store_float(values[r][chunk] * factors[r], to[tile.row + first_row + r] + first_col + col);
      }
    }
  }
}

/// The rows of a tile that a block has: warps * rows of them, by blockIdx.z.
template <int rows>
__device__ __forceinline__ RowRange block_rows(const AttentionTile& tile) {
  const int begin = static_cast<int>(blockIdx.z) * warps * rows;
  const int end = begin + warps * rows;
  return {tile.row + begin, tile.row + (end < tile.count ? end : tile.count)};
}

template <int rows, int chunks>
struct ForwardShared {
  SharedRows<warps * rows, chunks> q;
  SharedRows<step, chunks> k, v;
  float weights[warps][rows][step];
};

template <class T, int rows, int chunks>
__global__ void __launch_bounds__(threads) forward_kernel(ForwardWork<T> work) {
  using Shared = ForwardShared<rows, chunks>;
  Shared& shared = *shared_memory<Shared>();
  const AttentionTile tile = work.queries.tiles[blockIdx.x];
  const RowRange own = block_rows<rows>(tile);
  if (own.begin >= own.end) return;
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const int warp = static_cast<int>(threadIdx.x) / warp_size;
  const int first_row = own.begin - tile.row + warp * rows;
  const int head = static_cast<int>(blockIdx.y);
  const int head_dim = work.sizes.head_dim;
  const std::int64_t q_col = static_cast<std::int64_t>(head) * head_dim;
  const std::int64_t k_col = static_cast<std::int64_t>(key_head(work.sizes, head)) * head_dim;
  Rows<const T> keys;
  Rows<const T> values;
  work.of_tile(tile, keys, values);
  const float factor = work.sizes.scale * log2_e;

  load_rows(shared.q, work.q, own, q_col, head_dim);
  float out[rows][chunks] = {};
  float largest[rows];
  float sum[rows] = {};
#pragma unroll
  for (int r = 0; r < rows; ++r) largest[r] = -INFINITY;
  RangeWalk walk(tile, work.queries.ranges);
  for (RowRange others = walk.next<step>(); others.begin < others.end; others = walk.next<step>()) {
    load_rows(shared.k, keys, others, k_col, head_dim);
    load_rows(shared.v, values, others, k_col, head_dim);
    __syncthreads();
    float scores[rows] = {};
    dot_rows(scores, shared.q, warp * rows, shared.k);
    int begin[rows] = {};
    int end[rows];
#pragma unroll
    for (int r = 0; r < rows; ++r) {
      const int last = tile.row + first_row + r + tile.key_shift;
      end[r] = (last + 1 < others.end ? last + 1 : others.end) - others.begin;
      const float score = lane < end[r] ? scores[r] * factor : -INFINITY;
      const float now = fmaxf(largest[r], warp_max(score));
      const float keep = exp2f(largest[r] - now);
      const float weight = exp2f(score - now);
      largest[r] = now;
      sum[r] = sum[r] * keep + warp_sum(weight);
      shared.weights[warp][r][lane] = weight;
#pragma unroll
      for (int chunk = 0; chunk < chunks; ++chunk) out[r][chunk] *= keep;
    }
    __syncwarp();
    add_rows(out, shared.weights[warp], shared.v, begin, end);
    __syncthreads();  // nobody reads the keys, values and weights any more
  }
#pragma unroll
  for (int r = 0; r < rows; ++r) {
    if (work.log_sum_exp.data != nullptr && lane == 0 && first_row + r < tile.count) {
      work.log_sum_exp[tile.row + first_row + r][head] = (largest[r] + log2f(sum[r])) * ln_2;
    }
    sum[r] = 1.0F / sum[r];
  }
  write_rows(out, sum, tile, first_row, work.out, q_col, head_dim);
}

template <int rows, int chunks>
struct BackwardShared {
  SharedRows<warps * rows, chunks> first, second;  ///< of the tile: q and dout, or k and v
  SharedRows<step, chunks> other_first, other_second;
  float weights[warps][rows][step];
  float dscores[warps][rows][step];
};

template <class T, int rows, int chunks>
__global__ void __launch_bounds__(threads) dq_kernel(BackwardWork<T> work) {
  using Shared = BackwardShared<rows, chunks>;
  Shared& shared = *shared_memory<Shared>();
  const AttentionTile tile = work.queries.tiles[blockIdx.x];
  const RowRange own = block_rows<rows>(tile);
  if (own.begin >= own.end) return;
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const int warp = static_cast<int>(threadIdx.x) / warp_size;
  const int first_row = own.begin - tile.row + warp * rows;
  const int head = static_cast<int>(blockIdx.y);
  const int head_dim = work.sizes.head_dim;
  const std::int64_t q_col = static_cast<std::int64_t>(head) * head_dim;
  const std::int64_t k_col = static_cast<std::int64_t>(key_head(work.sizes, head)) * head_dim;

  load_rows(shared.first, work.q, own, q_col, head_dim);
  load_rows(shared.second, work.dout, own, q_col, head_dim);
  float dq[rows][chunks] = {};
  RangeWalk walk(tile, work.queries.ranges);
  for (RowRange others = walk.next<step>(); others.begin < others.end; others = walk.next<step>()) {
    load_rows(shared.other_first, work.k, others, k_col, head_dim);
    load_rows(shared.other_second, work.v, others, k_col, head_dim);
    __syncthreads();
    float scores[rows] = {};
    float dweights[rows] = {};
    dot_rows(scores, shared.first, warp * rows, shared.other_first);
    dot_rows(dweights, shared.second, warp * rows, shared.other_second);
    int begin[rows] = {};
    int end[rows];
#pragma unroll
    for (int r = 0; r < rows; ++r) {
      const int row = tile.row + first_row + r;
      const bool exists = first_row + r < tile.count;
      end[r] = exists ? (row + 1 < others.end ? row + 1 : others.end) - others.begin : 0;
      const float log_sum_exp = exists ? work.log_sum_exp[row][head] : 0.0F;
      const float delta = exists ? work.delta[row][head] : 0.0F;
      const float weight = exp2f((scores[r] * work.sizes.scale - log_sum_exp) * log2_e);
      shared.dscores[warp][r][lane] = weight * (dweights[r] - delta);
    }
    __syncwarp();
    add_rows(dq, shared.dscores[warp], shared.other_first, begin, end);
    __syncthreads();  // nobody reads these keys and values any more
  }
  float scales[rows];
#pragma unroll
  for (int r = 0; r < rows; ++r) scales[r] = work.sizes.scale;
  write_rows(dq, scales, tile, first_row, work.dq, q_col, head_dim);
}

template <class T, int rows, int chunks>
__global__ void __launch_bounds__(threads) dk_dv_kernel(BackwardWork<T> work) {
  using Shared = BackwardShared<rows, chunks>;
  Shared& shared = *shared_memory<Shared>();
  const AttentionTile tile = work.keys.tiles[blockIdx.x];
  const RowRange own = block_rows<rows>(tile);
  if (own.begin >= own.end) return;
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const int warp = static_cast<int>(threadIdx.x) / warp_size;
  const int first_row = own.begin - tile.row + warp * rows;
  const int group = work.sizes.heads / work.sizes.kv_heads;
  const int kv_head = static_cast<int>(blockIdx.y);
  const int head_dim = work.sizes.head_dim;
  const std::int64_t k_col = static_cast<std::int64_t>(kv_head) * head_dim;

  load_rows(shared.first, work.k, own, k_col, head_dim);
  load_rows(shared.second, work.v, own, k_col, head_dim);
  float dk[rows][chunks] = {};
  float dv[rows][chunks] = {};
  for (int head = kv_head * group; head < (kv_head + 1) * group; ++head) {
    const std::int64_t q_col = static_cast<std::int64_t>(head) * head_dim;
    RangeWalk walk(tile, work.keys.ranges);
    for (RowRange others = walk.next<step>(); others.begin < others.end; others = walk.next<step>()) {
      load_rows(shared.other_first, work.q, others, q_col, head_dim);
      load_rows(shared.other_second, work.dout, others, q_col, head_dim);
      const bool exists = others.begin + lane < others.end;
      const float log_sum_exp = exists ? work.log_sum_exp[others.begin + lane][head] : 0.0F;
      const float delta = exists ? work.delta[others.begin + lane][head] : 0.0F;
      __syncthreads();
      float scores[rows] = {};
      float dweights[rows] = {};
      dot_rows(scores, shared.first, warp * rows, shared.other_first);
      dot_rows(dweights, shared.second, warp * rows, shared.other_second);
      int begin[rows];
      int end[rows];
#pragma unroll
      for (int r = 0; r < rows; ++r) {
        begin[r] = tile.row + first_row + r - others.begin;
        end[r] = first_row + r < tile.count ? others.end - others.begin : 0;
        const float weight = exp2f((scores[r] * work.sizes.scale - log_sum_exp) * log2_e);
        shared.weights[warp][r][lane] = weight;
        shared.dscores[warp][r][lane] = weight * (dweights[r] - delta);
      }
      __syncwarp();
      add_rows(dv, shared.weights[warp], shared.other_second, begin, end);
      add_rows(dk, shared.dscores[warp], shared.other_first, begin, end);
      __syncthreads();  // nobody reads these queries any more
    }
  }
  float scales[rows];
  float ones[rows];
#pragma unroll
  for (int r = 0; r < rows; ++r) {
    scales[r] = work.sizes.scale;
    ones[r] = 1.0F;
  }
  write_rows(dk, scales, tile, first_row, work.dk, k_col, head_dim);
  write_rows(dv, ones, tile, first_row, work.dv, k_col, head_dim);
}

/// Rows of a warp, so that a block's shared memory stays below 96 KiB.
constexpr int forward_rows(int chunks) { return chunks > 4 ? 2 : 8; }
constexpr int backward_rows(int chunks) { return chunks > 4 ? 1 : 4; }

template <class Body>
[[nodiscard]] cudaError_t with_chunks(int head_dim, const Body& body) {
  static_assert(most_head_dim == 8 * warp_size);
  if (head_dim <= 2 * warp_size) return body(std::integral_constant<int, 2>());
  if (head_dim <= 4 * warp_size) return body(std::integral_constant<int, 4>());
  return body(std::integral_constant<int, 8>());
}

dim3 grid_of(const DeviceTiles& tiles, int heads, int rows) {
  return {static_cast<unsigned>(tiles.count), static_cast<unsigned>(heads),
          static_cast<unsigned>(tile_rows / (warps * rows))};
}

}  // namespace

template <class T>
cudaError_t forward_in_f32(cudaStream_t stream, const ForwardWork<T>& work) {
  return with_chunks(work.sizes.head_dim, [&](auto chunks) {
    constexpr int rows = forward_rows(chunks);
    return launch(forward_kernel<T, rows, chunks>, grid_of(work.queries, work.sizes.heads, rows),
                  dim3(threads), sizeof(ForwardShared<rows, chunks>), stream, work);
  });
}

template <class T>
cudaError_t backward_in_f32(cudaStream_t stream, const BackwardWork<T>& work) {
  return with_chunks(work.sizes.head_dim, [&](auto chunks) {
    constexpr int rows = backward_rows(chunks);
    constexpr std::size_t shared_bytes = sizeof(BackwardShared<rows, chunks>);
    const cudaError_t error =
        launch(dq_kernel<T, rows, chunks>, grid_of(work.queries, work.sizes.heads, rows), dim3(threads),
               shared_bytes, stream, work);
    if (error != cudaSuccess) return error;
    return launch(dk_dv_kernel<T, rows, chunks>, grid_of(work.keys, work.sizes.kv_heads, rows), dim3(threads),
                  shared_bytes, stream, work);
  });
}

template cudaError_t forward_in_f32(cudaStream_t, const ForwardWork<float>&);
template cudaError_t forward_in_f32(cudaStream_t, const ForwardWork<__nv_bfloat16>&);
template cudaError_t backward_in_f32(cudaStream_t, const BackwardWork<float>&);
template cudaError_t backward_in_f32(cudaStream_t, const BackwardWork<__nv_bfloat16>&);

}  // namespace cola::cuda
