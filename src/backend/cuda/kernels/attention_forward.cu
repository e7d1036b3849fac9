#include "backend/cuda/kernels/attention_mma.cuh"

// Attention's forward on tensor cores, with the softmax taken as the keys come by (Dao, 2023).
namespace cola::cuda {
namespace {

template <int dim>
struct Shared {
  SharedTile<dim> q, k, v;
};

/// Of a lane's two rows: the largest score so far, in units of log 2, and the lane's part of the sum of
/// 2^(score - largest).
struct Softmax {
  float largest[2] = {-INFINITY, -INFINITY};
  float sum[2] = {0.0F, 0.0F};
};

/// Scores become weights 2^(score - largest), in place; `out` and the sums are brought to the new largest.
template <int columns, int dim, bool plain>
__device__ __forceinline__ void take_in(Softmax& softmax, float (&scores)[columns / 8][4],
                                        float (&out)[dim / 8][4]) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float largest = softmax.largest[half];
#pragma unroll
    for (int n = 0; n < columns / 8; ++n) {
      largest = fmaxf(largest, fmaxf(scores[n][2 * half], scores[n][2 * half + 1]));
    }
    largest = warp_max<4>(largest);
    const float base = softmax_base<plain>(largest);
    const float keep = exp2f(softmax.largest[half] - base);
    softmax.largest[half] = largest;
    float sum = 0.0F;
#pragma unroll
    for (int n = 0; n < columns / 8; ++n) {
#pragma unroll
      for (int i = 2 * half; i < 2 * half + 2; ++i) {
        scores[n][i] = exp2f(scores[n][i] - base);
        sum += scores[n][i];
      }
    }
    softmax.sum[half] = softmax.sum[half] * keep + sum;
#pragma unroll
    for (int n = 0; n < dim / 8; ++n) {
      out[n][2 * half] *= keep;
      out[n][2 * half + 1] *= keep;
    }
  }
}

/// Scales scores of queries from first_query on and of keys `rows`; -inf where the query does not see the
/// key.
template <int columns, bool plain>
__device__ __forceinline__ void scale_and_mask(float (&scores)[columns / 8][4], float factor,
                                               const Scoring<plain>& scoring, RowRange rows,
                                               int first_query) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const bool all_seen = rows.end - rows.begin == columns && rows.end - 1 <= first_query &&
                        !scoring.hides(rows.begin, first_query + warp_rows - 1, rows.gap);
  factor = scoring.cap(scores, factor);
#pragma unroll
  for (int n = 0; n < columns / 8; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      scores[n][i] *= factor;
      const int key = rows.begin + 8 * n + 2 * (lane % 4) + i % 2;
      const int query = first_query + lane / 4 + 8 * (i / 2);
      if (!all_seen && (key >= rows.end || key > query || scoring.hides(key, query, rows.gap)))
        scores[n][i] = -INFINITY;
    }
  }
}

template <int dim, bool plain>
__global__ void __launch_bounds__(mma_threads) forward_kernel(ForwardWork<Bf16> work) {
  Shared<dim>& shared = *shared_memory<Shared<dim>>();
  const AttentionTile tile = work.queries.tiles[blockIdx.x];
  if (tile.count == 0) return;
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const int first_row = static_cast<int>(threadIdx.x) / warp_size * warp_rows;
  const bool busy = first_row < tile.count;
  const int head = static_cast<int>(blockIdx.y);
  const int head_dim = work.sizes.head_dim;
  const std::int64_t q_col = static_cast<std::int64_t>(head) * head_dim;
  const std::int64_t k_col = static_cast<std::int64_t>(key_head(work.sizes, head)) * head_dim;
  Rows<const Bf16> keys;
  Rows<const Bf16> values;
  work.of_tile(tile, keys, values);

  RangeWalk walk(tile, work.queries.ranges);
  RowRange rows = walk.next<tile_rows>();
  copy_tile(shared.q, work.q, {tile.row, tile.row + tile.count}, q_col, head_dim);
  copy_tile(shared.k, keys, rows, k_col, head_dim);
  commit_copies();
  float out[dim / 8][4] = {};
  Softmax softmax;
  const Scoring<plain> scoring(work.sizes, log2_e);
  while (rows.begin < rows.end) {
    wait_for_copies<0>();
    __syncthreads();  // the keys are there, and nobody reads the values any more
    copy_tile(shared.v, values, rows, k_col, head_dim);
    commit_copies();
    float scores[tile_rows / 8][4] = {};
    if (busy) {
      multiply_rows<tile_rows>(scores, shared.q, first_row, shared.k, 0);
      scale_and_mask<tile_rows>(scores, work.sizes.scale * log2_e, scoring, rows,
                                tile.row + first_row + tile.key_shift);
    }
    rows = walk.next<tile_rows>();
    wait_for_copies<0>();
    __syncthreads();  // the values are there, and nobody reads the keys any more
    if (rows.begin < rows.end) copy_tile(shared.k, keys, rows, k_col, head_dim);
    commit_copies();
    if (busy) {
      take_in<tile_rows, dim, plain>(softmax, scores, out);
      multiply_result<tile_rows>(out, scores, shared.v, 0);
    }
  }
  if (!busy) return;
  float factors[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float sum = warp_sum<4>(softmax.sum[half]);
    factors[half] = 1.0F / sum;
    const int row = first_row + lane / 4 + 8 * half;
    if (work.log_sum_exp.data == nullptr || lane % 4 != 0 || row >= tile.count) continue;
    work.log_sum_exp[tile.row + row][head] = (softmax.largest[half] + log2f(sum)) * ln_2;
  }
  write_rows<dim>(out, factors, shared.q, tile, work.out, q_col, head_dim);
}

}  // namespace

cudaError_t forward_on_tensor_cores(Queue queue, const ForwardWork<Bf16>& work) {
  return with_tile_width(work.sizes, [&](auto dim, auto plain) {
    const dim3 grid(static_cast<unsigned>(work.queries.count), static_cast<unsigned>(work.sizes.heads));
    return launch(forward_kernel<dim, plain>, grid, dim3(mma_threads), sizeof(Shared<dim>), queue, work);
  });
}

}  // namespace cola::cuda
