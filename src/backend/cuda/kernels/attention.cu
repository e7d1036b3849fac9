#include "backend/cuda/kernels/attention.h"

#include "backend/cuda/kernels/attention_tile.cuh"

// Which kernels an attention runs on.
namespace cola::cuda {
namespace {

/// delta [T, heads] = row sums of dout * out, by a warp each: what the softmax passes back to every score of
/// a row.
template <class T>
__global__ void delta_kernel(AttentionSizes sizes, Rows<const T> dout, Rows<const T> out, Rows<float> delta) {
  const std::int64_t row = blockIdx.x;
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const int warps = static_cast<int>(blockDim.x) / warp_size;
  for (int head = static_cast<int>(threadIdx.x) / warp_size; head < sizes.heads; head += warps) {
    const T* a = dout[row] + static_cast<std::int64_t>(head) * sizes.head_dim;
    const T* b = out[row] + static_cast<std::int64_t>(head) * sizes.head_dim;
    float sum = 0.0F;
    for (int i = lane; i < sizes.head_dim; i += warp_size) sum += to_float(a[i]) * to_float(b[i]);
    sum = warp_sum(sum);
    if (lane == 0) delta[row][head] = sum;
  }
}

template <class... T>
bool fits_tensor_cores(const AttentionSizes& sizes, Rows<T>... rows) {
  return sizes.head_dim <= 128 && are_aligned(sizes.head_dim, rows...);
}

template <class T>
cudaError_t run_forward(Queue queue, const ForwardWork<Element<T>>& work, bool aligned) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    if (aligned && fits_tensor_cores(work.sizes, work.q, work.k, work.v, work.out)) {
      return forward_on_tensor_cores(queue, work);
    }
  }
  return forward_in_f32(queue, work);
}

}  // namespace

template <class T>
cudaError_t attention_forward(Queue queue, const AttentionForward<T>& work) {
  if (!is_valid(work.sizes)) return cudaErrorInvalidValue;
  const ForwardWork<Element<T>> on = {
      work.sizes,        work.queries,        on_device(work.q), on_device(work.k),
      on_device(work.v), on_device(work.out), work.log_sum_exp,  nullptr};
  return run_forward<T>(queue, on, true);
}

template <class T>
cudaError_t attention_backward(Queue queue, const AttentionBackward<T>& work) {
  if (!is_valid(work.sizes)) return cudaErrorInvalidValue;
  constexpr unsigned threads = 256;
  const cudaError_t error = launch(delta_kernel<Element<T>>, dim3(static_cast<unsigned>(work.sizes.rows)),
                                   dim3(threads_for(std::int64_t{work.sizes.heads} * warp_size, threads)), 0,
                                   queue, work.sizes, on_device(work.dout), on_device(work.out), work.delta);
  if (error != cudaSuccess) return error;
  const BackwardWork<Element<T>> on = {
      work.sizes,           work.queries,       work.keys,
      on_device(work.dout), on_device(work.q),  on_device(work.k),
      on_device(work.v),    work.log_sum_exp,   {work.delta.data, work.delta.stride},
      on_device(work.dq),   on_device(work.dk), on_device(work.dv)};
  if constexpr (std::is_same_v<T, BFloat16>) {
    if (fits_tensor_cores(work.sizes, on.dout, on.q, on.k, on.v, on.dq, on.dk, on.dv)) {
      return backward_on_tensor_cores(queue, on);
    }
  }
  return backward_in_f32(queue, on);
}

template <class T>
cudaError_t attention_cached_tiles(Queue queue, const AttentionCached<T>& work, const DeviceTiles& queries,
                                   bool aligned) {
  if (!is_valid(work.sizes)) return cudaErrorInvalidValue;
  const auto* caches = reinterpret_cast<const CachedRows<Element<T>>*>(work.caches);
  const ForwardWork<Element<T>> on = {work.sizes, queries, on_device(work.q), {}, {}, on_device(work.out),
                                      {},         caches};
  return run_forward<T>(queue, on, aligned);
}

template cudaError_t attention_forward(Queue, const AttentionForward<float>&);
template cudaError_t attention_forward(Queue, const AttentionForward<BFloat16>&);
template cudaError_t attention_backward(Queue, const AttentionBackward<float>&);
template cudaError_t attention_backward(Queue, const AttentionBackward<BFloat16>&);
template cudaError_t attention_cached_tiles(Queue, const AttentionCached<float>&, const DeviceTiles&, bool);
template cudaError_t attention_cached_tiles(Queue, const AttentionCached<BFloat16>&, const DeviceTiles&,
                                            bool);

}  // namespace cola::cuda
