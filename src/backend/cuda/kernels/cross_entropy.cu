#include "backend/cuda/kernels/cross_entropy.h"

#include "backend/cuda/kernels/elements.cuh"
#include "backend/cuda/kernels/warp.cuh"

// A block does a row: one pass for the sum, one for the gradient.
namespace cola::cuda {
namespace {

constexpr unsigned most_threads = 512;

/// A LogitTransform; compiled without one, it leaves no instructions.
template <bool transforms>
struct Transform {
  LogitTransform of;

  __device__ float operator()(float logit) const {
    if constexpr (!transforms) return logit;
    logit *= of.scale;
    return of.soft_cap == 0.0F ? logit : of.soft_cap * tanhf(logit / of.soft_cap);
  }
  /// The derivative, from what operator() made of a logit.
  __device__ float slope(float transformed) const {
    if constexpr (!transforms) return 1.0F;
    if (of.soft_cap == 0.0F) return of.scale;
    const float ratio = transformed / of.soft_cap;
    return of.scale * (1.0F - ratio) * (1.0F + ratio);
  }
};

template <int width>
struct TransformLogits {
  Transform<true> transform;
  Rows<float> logits;

  __device__ void operator()(std::int64_t row, std::int64_t item) const {
    float values[width];
    load(logits[row] + item * width, values);
#pragma unroll
    for (int i = 0; i < width; ++i) values[i] = transform(values[i]);
    store(values, logits[row] + item * width);
  }
};

/// Of some logits: the largest and the first place of it, and the sum of exp(logit - largest) over all
/// others, which keeps a likely target's loss exact where 1 + others would be 1.
struct Summary {
  float largest;
  std::int32_t first;  ///< -1: of none
  float others;
};

__device__ __forceinline__ Summary merge(Summary a, Summary b) {
  if (a.first < 0) return b;
  if (b.first < 0) return a;
  const bool a_wins = a.largest > b.largest || (a.largest == b.largest && a.first < b.first);
  const float largest = a_wins ? a.largest : b.largest;
  const float other = a_wins ? b.largest : a.largest;
  const float ratio = largest == other ? 1.0F : expf(other - largest);
  const float others = a_wins ? a.others : b.others;
  return {largest, a_wins ? a.first : b.first, others + ((a_wins ? b.others : a.others) + 1.0F) * ratio};
}

__device__ __forceinline__ Summary from_lane(Summary mine, int bits) {
  return {__shfl_xor_sync(all_lanes, mine.largest, bits), __shfl_xor_sync(all_lanes, mine.first, bits),
          __shfl_xor_sync(all_lanes, mine.others, bits)};
}

/// The summary of a row, by a block.
template <int width, class Transform>
__device__ Summary summarise(const float* logits, std::int64_t count, const Transform& transform,
                             Summary* partial) {
  Summary mine = {0.0F, -1, 0.0F};
  for (std::int64_t col = threadIdx.x * width; col < count; col += blockDim.x * width) {
    float values[width];
    load(logits + col, values);
#pragma unroll
    for (int i = 0; i < width; ++i)
      mine = merge(mine, {transform(values[i]), static_cast<std::int32_t>(col + i), 0.0F});
  }
#pragma unroll
  for (int bits = warp_size / 2; bits > 0; bits /= 2) mine = merge(mine, from_lane(mine, bits));
  if (threadIdx.x % warp_size == 0) partial[threadIdx.x / warp_size] = mine;
  __syncthreads();
  Summary total = partial[0];
  for (unsigned warp = 1; warp < blockDim.x / warp_size; ++warp) total = merge(total, partial[warp]);
  return total;
}

struct Outputs {
  float* nll;
  std::uint8_t* correct;  ///< null: not wanted
  const float* weights;   ///< of the gradient
};

/// G: the gradient's element, or void where there is none.
template <class G, int width, bool transforms>
__global__ void cross_entropy_kernel(LogitRows work, Outputs outputs, Rows<G> gradient) {
  using Partial = Summary[most_warps];
  Partial& partial = *shared_memory<Partial>();
  const std::int64_t row = blockIdx.x;
  const float* logits = work.logits[row];
  const std::int32_t target = work.targets[row];
  const Transform<transforms> transform = {work.transform};
  const float target_logit = transform(logits[target]);  // before the gradient takes its place
  const Summary summary = summarise<width>(logits, work.vocabulary, transform, partial);
  const float nll = summary.largest - target_logit + log1pf(summary.others);
  if (threadIdx.x == 0) {
    outputs.nll[row] = nll;
    if (outputs.correct != nullptr) outputs.correct[row] = summary.first == target ? 1 : 0;
  }
  if constexpr (!std::is_void_v<G>) {
    const float weight = outputs.weights[row];
    const float factor = weight / (1.0F + summary.others);
    const float at_target = weight * expm1f(-nll);  // softmax - 1, without cancellation
    for (std::int64_t col = threadIdx.x * width; col < work.vocabulary; col += blockDim.x * width) {
      float values[width];
      load(logits + col, values);
#pragma unroll
      for (int i = 0; i < width; ++i) {
        const float logit = transform(values[i]);
        const float softmax = factor * expf(logit - summary.largest);
        values[i] = (col + i == target ? at_target : softmax) * transform.slope(logit);
      }
      store(values, gradient[row] + col);
    }
  }
}

template <class G, int width>
cudaError_t run(Queue queue, const LogitRows& work, const Outputs& outputs, Rows<G> gradient) {
  const bool transforms = work.transform.scale != 1.0F || work.transform.soft_cap != 0.0F;
  const auto kernel =
      transforms ? cross_entropy_kernel<G, width, true> : cross_entropy_kernel<G, width, false>;
  return launch(kernel, dim3(static_cast<unsigned>(work.rows)),
                dim3(threads_for(blocks_of(work.vocabulary, width), most_threads)),
                sizeof(Summary[most_warps]), queue, work, outputs, gradient);
}

}  // namespace

cudaError_t transform_logits(Queue queue, const LogitTransform& transform, std::int64_t rows,
                             std::int64_t vocabulary, Rows<float> logits) {
  return with_width(are_aligned(vocabulary, logits), [&](auto width) {
    const TransformLogits<width> operation = {{transform}, logits};
    return launch_each(queue, rows, vocabulary / width, operation);
  });
}

cudaError_t cross_entropy_forward(Queue queue, const LogitRows& work, float* nll, std::uint8_t* correct) {
  return with_width(are_aligned(work.vocabulary, work.logits),
                    [&](auto width) { return run<void, width>(queue, work, {nll, correct, nullptr}, {}); });
}

template <class T>
cudaError_t cross_entropy_gradient(Queue queue, const LogitRows& work, const float* weights, float* nll,
                                   Rows<T> gradient) {
  return with_width(are_aligned(work.vocabulary, work.logits, gradient), [&](auto width) {
    return run<Element<T>, width>(queue, work, {nll, nullptr, weights}, on_device(gradient));
  });
}

template cudaError_t cross_entropy_gradient(Queue, const LogitRows&, const float*, float*, Rows<float>);
template cudaError_t cross_entropy_gradient(Queue, const LogitRows&, const float*, float*, Rows<BFloat16>);

}  // namespace cola::cuda
