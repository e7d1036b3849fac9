#include "backend/cuda/kernels/attention_mma.cuh"

// Attention's backward on tensor cores: one kernel for dq, by tiles of queries, one for dk and dv, by tiles
// of keys. Each makes the weights again from log_sum_exp, and sums in a fixed order without atomics.
namespace cola::cuda {
namespace {

template <int dim>
struct QueryShared {
  SharedTile<dim> q, dout, k, v;
};

/// A lane's two rows of a matrix [T, heads]; 0 beyond the tile.
__device__ __forceinline__ void load_of_rows(const Rows<const float>& from, const AttentionTile& tile,
                                             int first_row, int head, float (&to)[2]) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = first_row + lane / 4 + 8 * half;
    to[half] = row < tile.count ? from[tile.row + row][head] : 0.0F;
  }
}

template <int dim, bool plain>
__global__ void __launch_bounds__(mma_threads) dq_kernel(BackwardWork<Bf16> work) {
  QueryShared<dim>& shared = *shared_memory<QueryShared<dim>>();
  const AttentionTile tile = work.queries.tiles[blockIdx.x];
  if (tile.count == 0) return;
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const int first_row = static_cast<int>(threadIdx.x) / warp_size * warp_rows;
  const bool busy = first_row < tile.count;
  const int head = static_cast<int>(blockIdx.y);
  const int head_dim = work.sizes.head_dim;
  const std::int64_t q_col = static_cast<std::int64_t>(head) * head_dim;
  const std::int64_t k_col = static_cast<std::int64_t>(key_head(work.sizes, head)) * head_dim;
  const Scoring<plain> scoring(work.sizes, log2_e);
  float log_sum_exp[2];
  float delta[2];
  load_of_rows(work.log_sum_exp, tile, first_row, head, log_sum_exp);
  load_of_rows(work.delta, tile, first_row, head, delta);

  copy_tile(shared.q, work.q, {tile.row, tile.row + tile.count}, q_col, head_dim);
  copy_tile(shared.dout, work.dout, {tile.row, tile.row + tile.count}, q_col, head_dim);
  float dq[dim / 8][4] = {};
  RangeWalk walk(tile, work.queries.ranges);
  for (RowRange rows = walk.next<tile_rows>(); rows.begin < rows.end; rows = walk.next<tile_rows>()) {
    copy_tile(shared.k, work.k, rows, k_col, head_dim);
    commit_copies();
    copy_tile(shared.v, work.v, rows, k_col, head_dim);
    commit_copies();
    wait_for_copies<1>();
    __syncthreads();  // the keys are there
    float scores[tile_rows / 8][4] = {};
    if (busy) multiply_rows<tile_rows>(scores, shared.q, first_row, shared.k, 0);
    wait_for_copies<0>();
    __syncthreads();  // the values are there
    if (busy) {
      float dweights[tile_rows / 8][4] = {};
      multiply_rows<tile_rows>(dweights, shared.dout, first_row, shared.v, 0);
      const float factor = scoring.cap(scores, work.sizes.scale * log2_e);
#pragma unroll
      for (int n = 0; n < tile_rows / 8; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const int key = rows.begin + 8 * n + 2 * (lane % 4) + i % 2;
          const int query = tile.row + first_row + lane / 4 + 8 * (i / 2);
          const float weight = exp2f(scores[n][i] * factor - log_sum_exp[i / 2] * log2_e);
          const bool seen = key < rows.end && key <= query && !scoring.hides(key, query, rows.gap);
          const float slope = scoring.slope(scores[n][i]);
          scores[n][i] = seen ? weight * (dweights[n][i] - delta[i / 2]) * slope : 0.0F;
        }
      }
      multiply_result<tile_rows>(dq, scores, shared.k, 0);
    }
    __syncthreads();  // nobody reads the keys and values any more
  }
  if (!busy) return;
  const float factors[2] = {work.sizes.scale, work.sizes.scale};
  write_rows<dim>(dq, factors, shared.q, tile, work.dq, q_col, head_dim);
}

template <int dim>
struct KeyShared {
  SharedTile<dim> k, v, q, dout;
  float log_sum_exp[tile_rows];
  float delta[tile_rows];
};

constexpr int query_step = 32;  ///< queries at a time: dk, dv and the scores of more do not fit the registers

/// One head's queries `rows`, from first_query of them on, added to the warp's dk and dv.
template <bool plain, int dim>
__device__ __forceinline__ void add_queries(const KeyShared<dim>& shared, const AttentionTile& tile,
                                            int first_row, RowRange rows, int first_query, float factor,
                                            const Scoring<plain>& scoring, float (&dk)[dim / 8][4],
                                            float (&dv)[dim / 8][4]) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  float weights[query_step / 8][4] = {};  // [keys, queries]
  float dscores[query_step / 8][4] = {};
  multiply_rows<query_step>(weights, shared.k, first_row, shared.q, first_query);
  multiply_rows<query_step>(dscores, shared.v, first_row, shared.dout, first_query);
  factor = scoring.cap(weights, factor);
#pragma unroll
  for (int n = 0; n < query_step / 8; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int at = first_query + 8 * n + 2 * (lane % 4) + i % 2;
      const int key = tile.row + first_row + lane / 4 + 8 * (i / 2);
      const bool seen = rows.begin + at < rows.end && key <= rows.begin + at &&
                        !scoring.hides(key, rows.begin + at, rows.gap);
      const float slope = scoring.slope(weights[n][i]);
      const float weight = exp2f(weights[n][i] * factor - shared.log_sum_exp[at] * log2_e);
      weights[n][i] = seen ? weight : 0.0F;
      dscores[n][i] = seen ? weight * (dscores[n][i] - shared.delta[at]) * slope : 0.0F;
    }
  }
  multiply_result<query_step>(dv, weights, shared.dout, first_query);
  multiply_result<query_step>(dk, dscores, shared.q, first_query);
}

template <int dim, bool plain>
__global__ void __launch_bounds__(mma_threads) dk_dv_kernel(BackwardWork<Bf16> work) {
  KeyShared<dim>& shared = *shared_memory<KeyShared<dim>>();
  const AttentionTile tile = work.keys.tiles[blockIdx.x];
  if (tile.count == 0) return;
  const int thread = static_cast<int>(threadIdx.x);
  const int first_row = thread / warp_size * warp_rows;
  const int group = work.sizes.heads / work.sizes.kv_heads;
  const int kv_head = static_cast<int>(blockIdx.y);
  const int head_dim = work.sizes.head_dim;
  const std::int64_t k_col = static_cast<std::int64_t>(kv_head) * head_dim;
  copy_tile(shared.k, work.k, {tile.row, tile.row + tile.count}, k_col, head_dim);
  copy_tile(shared.v, work.v, {tile.row, tile.row + tile.count}, k_col, head_dim);
  const Scoring<plain> scoring(work.sizes, log2_e);
  float dk[dim / 8][4] = {};
  float dv[dim / 8][4] = {};
  for (int head = kv_head * group; head < (kv_head + 1) * group; ++head) {
    const std::int64_t q_col = static_cast<std::int64_t>(head) * head_dim;
    RangeWalk walk(tile, work.keys.ranges);
    for (RowRange rows = walk.next<tile_rows>(); rows.begin < rows.end; rows = walk.next<tile_rows>()) {
      copy_tile(shared.q, work.q, rows, q_col, head_dim);
      copy_tile(shared.dout, work.dout, rows, q_col, head_dim);
      commit_copies();
      if (thread < tile_rows) {
        const bool exists = rows.begin + thread < rows.end;
        shared.log_sum_exp[thread] = exists ? work.log_sum_exp[rows.begin + thread][head] : 0.0F;
        shared.delta[thread] = exists ? work.delta[rows.begin + thread][head] : 0.0F;
      }
      wait_for_copies<0>();
      __syncthreads();
      if (first_row < tile.count) {
        for (int first = 0; first < rows.end - rows.begin; first += query_step) {
          add_queries(shared, tile, first_row, rows, first, work.sizes.scale * log2_e, scoring, dk, dv);
        }
      }
      __syncthreads();  // nobody reads these queries any more
    }
  }
  if (first_row >= tile.count) return;
  const float scales[2] = {work.sizes.scale, work.sizes.scale};
  const float ones[2] = {1.0F, 1.0F};
  write_rows<dim>(dk, scales, shared.k, tile, work.dk, k_col, head_dim);
  write_rows<dim>(dv, ones, shared.v, tile, work.dv, k_col, head_dim);
}

}  // namespace

cudaError_t backward_on_tensor_cores(Queue queue, const BackwardWork<Bf16>& work) {
  return with_tile_width(work.sizes, [&](auto dim, auto plain) {
    const dim3 query_grid(static_cast<unsigned>(work.queries.count), static_cast<unsigned>(work.sizes.heads));
    const cudaError_t error =
        launch(dq_kernel<dim, plain>, query_grid, dim3(mma_threads), sizeof(QueryShared<dim>), queue, work);
    if (error != cudaSuccess) return error;
    const dim3 key_grid(static_cast<unsigned>(work.keys.count), static_cast<unsigned>(work.sizes.kv_heads));
    return launch(dk_dv_kernel<dim, plain>, key_grid, dim3(mma_threads), sizeof(KeyShared<dim>), queue, work);
  });
}

}  // namespace cola::cuda
