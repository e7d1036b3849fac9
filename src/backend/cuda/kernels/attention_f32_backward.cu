#include "backend/cuda/kernels/attention_rows.cuh"

// The backward in f32: dq by tiles of queries, dk and dv by tiles of keys.
namespace cola::cuda {
namespace {

template <int rows, int chunks>
struct BackwardShared {
  SharedRows<row_warps * rows, chunks> first, second;  ///< of the tile: q and dout, or k and v
  SharedRows<row_step, chunks> other_first, other_second;
  float weights[row_warps][rows][row_step];
  float dscores[row_warps][rows][row_step];
};

template <class T, int rows, int chunks, bool plain>
__global__ void __launch_bounds__(row_threads) dq_kernel(BackwardWork<T> work) {
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
  const Scoring<plain> scoring(work.sizes, 1.0F);
  float dq[rows][chunks] = {};
  RangeWalk walk(tile, work.queries.ranges);
  for (RowRange others = walk.next<row_step>(); others.begin < others.end; others = walk.next<row_step>()) {
    load_rows(shared.other_first, work.k, others, k_col, head_dim);
    load_rows(shared.other_second, work.v, others, k_col, head_dim);
    __syncthreads();
    float scores[rows] = {};
    float dweights[rows] = {};
    dot_rows(scores, shared.first, warp * rows, shared.other_first);
    dot_rows(dweights, shared.second, warp * rows, shared.other_second);
    const float factor = scoring.cap(scores, work.sizes.scale);
    int begin[rows] = {};
    int end[rows];
#pragma unroll
    for (int r = 0; r < rows; ++r) {
      const int row = tile.row + first_row + r;
      const bool exists = first_row + r < tile.count;
      if constexpr (!plain) begin[r] = scoring.first_key(row, others.gap) - others.begin;
      end[r] = exists ? (row + 1 < others.end ? row + 1 : others.end) - others.begin : 0;
      const float log_sum_exp = exists ? work.log_sum_exp[row][head] : 0.0F;
      const float delta = exists ? work.delta[row][head] : 0.0F;
      const float weight = exp2f((scores[r] * factor - log_sum_exp) * log2_e);
      shared.dscores[warp][r][lane] = weight * (dweights[r] - delta) * scoring.slope(scores[r]);
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

template <class T, int rows, int chunks, bool plain>
__global__ void __launch_bounds__(row_threads) dk_dv_kernel(BackwardWork<T> work) {
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
  const Scoring<plain> scoring(work.sizes, 1.0F);
  float dk[rows][chunks] = {};
  float dv[rows][chunks] = {};
  for (int head = kv_head * group; head < (kv_head + 1) * group; ++head) {
    const std::int64_t q_col = static_cast<std::int64_t>(head) * head_dim;
    RangeWalk walk(tile, work.keys.ranges);
    for (RowRange others = walk.next<row_step>(); others.begin < others.end; others = walk.next<row_step>()) {
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
      const float factor = scoring.cap(scores, work.sizes.scale);
      int begin[rows];
      int end[rows];
#pragma unroll
      for (int r = 0; r < rows; ++r) {
        const int key = tile.row + first_row + r;
        begin[r] = key - others.begin;
        end[r] = first_row + r < tile.count ? others.end - others.begin : 0;
        if constexpr (!plain) {
          const int window_end = scoring.end_query(key, others.gap) - others.begin;
          end[r] = window_end < end[r] ? window_end : end[r];
        }
        const float weight = exp2f((scores[r] * factor - log_sum_exp) * log2_e);
        shared.weights[warp][r][lane] = weight;
        shared.dscores[warp][r][lane] = weight * (dweights[r] - delta) * scoring.slope(scores[r]);
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
constexpr int backward_rows(int chunks) { return chunks > 4 ? 1 : 4; }

}  // namespace

template <class T>
cudaError_t backward_in_f32(Queue queue, const BackwardWork<T>& work) {
  return with_chunks(work.sizes, [&](auto chunks, auto plain) {
    constexpr int rows = backward_rows(chunks);
    constexpr std::size_t shared_bytes = sizeof(BackwardShared<rows, chunks>);
    const cudaError_t error =
        launch(dq_kernel<T, rows, chunks, plain>, grid_of(work.queries, work.sizes.heads, rows),
               dim3(row_threads), shared_bytes, queue, work);
    if (error != cudaSuccess) return error;
    return launch(dk_dv_kernel<T, rows, chunks, plain>, grid_of(work.keys, work.sizes.kv_heads, rows),
                  dim3(row_threads), shared_bytes, queue, work);
  });
}

template cudaError_t backward_in_f32(Queue, const BackwardWork<float>&);
template cudaError_t backward_in_f32(Queue, const BackwardWork<__nv_bfloat16>&);

}  // namespace cola::cuda
