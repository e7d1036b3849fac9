#include "backend/cuda/kernels/attention_rows.cuh"

// The forward in f32.
namespace cola::cuda {
namespace {

template <int rows, int chunks>
struct ForwardShared {
  SharedRows<row_warps * rows, chunks> q;
  SharedRows<row_step, chunks> k, v;
  float weights[row_warps][rows][row_step];
};

template <class T, int rows, int chunks, bool plain>
__global__ void __launch_bounds__(row_threads) forward_kernel(ForwardWork<T> work) {
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
  const Scoring<plain> scoring(work.sizes, log2_e);

  load_rows(shared.q, work.q, own, q_col, head_dim);
  float out[rows][chunks] = {};
  float largest[rows];
  float sum[rows] = {};
#pragma unroll
  for (int r = 0; r < rows; ++r) largest[r] = -INFINITY;
  RangeWalk walk(tile, work.queries.ranges);
  for (RowRange others = walk.next<row_step>(); others.begin < others.end; others = walk.next<row_step>()) {
    load_rows(shared.k, keys, others, k_col, head_dim);
    load_rows(shared.v, values, others, k_col, head_dim);
    __syncthreads();
    float scores[rows] = {};
    dot_rows(scores, shared.q, warp * rows, shared.k);
    const float factor = scoring.cap(scores, work.sizes.scale * log2_e);
    int begin[rows] = {};
    int end[rows];
#pragma unroll
    for (int r = 0; r < rows; ++r) {
      const int last = tile.row + first_row + r + tile.key_shift;
      if constexpr (!plain) begin[r] = scoring.first_key(last, others.gap) - others.begin;
      end[r] = (last + 1 < others.end ? last + 1 : others.end) - others.begin;
      const bool seen = (plain || lane >= begin[r]) && lane < end[r];
      const float score = seen ? scores[r] * factor : -INFINITY;
      const float now = fmaxf(largest[r], warp_max(score));
      const float keep = exp2f(largest[r] - softmax_base<plain>(now));
      const float weight = exp2f(score - softmax_base<plain>(now));
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

/// Rows of a warp, so that a block's shared memory stays below 96 KiB.
constexpr int forward_rows(int chunks) { return chunks > 4 ? 2 : 8; }

}  // namespace

template <class T>
cudaError_t forward_in_f32(Queue queue, const ForwardWork<T>& work) {
  return with_chunks(work.sizes, [&](auto chunks, auto plain) {
    constexpr int rows = forward_rows(chunks);
    return launch(forward_kernel<T, rows, chunks, plain>, grid_of(work.queries, work.sizes.heads, rows),
                  dim3(row_threads), sizeof(ForwardShared<rows, chunks>), queue, work);
  });
}

template cudaError_t forward_in_f32(Queue, const ForwardWork<float>&);
template cudaError_t forward_in_f32(Queue, const ForwardWork<__nv_bfloat16>&);
}  // namespace cola::cuda
