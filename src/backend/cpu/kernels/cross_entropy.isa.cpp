#include "backend/cpu/kernels/cross_entropy.h"

#include <cstddef>

#include "backend/cpu/kernels/rounding.h"
#include "backend/cpu/kernels/simd.h"

namespace cola::kernels::COLA_ISA_NAMESPACE {
namespace {

// f32 sums this long are exact to about 1e-6; those of the blocks are added in double.
constexpr std::int64_t block = 1024;

float largest_of(std::int64_t count, const float* logits) {
  const auto larger = [](auto a, auto b) { return a > b ? a : b; };
  const float lowest = -__builtin_inff();
  Floats largest[2] = {Floats{} + lowest, Floats{} + lowest};
  std::int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    largest[0] = larger(load(logits + i), largest[0]);
    largest[1] = larger(load(logits + i + lanes), largest[1]);
  }
  float rest = lowest;
  for (; i < count; ++i) rest = larger(logits[i], rest);
  return larger(max_of(larger(largest[0], largest[1])), rest);
}

double sum_of_exponentials(std::int64_t count, const float* logits, float largest) {
  double sum = 0.0;
  for (std::int64_t begin = 0; begin < count; begin += block) {
    const std::int64_t length = count - begin < block ? count - begin : block;
    sum += static_cast<double>(
        sum_over(length, [largest](auto logit) { return exp_of(logit - largest); }, logits + begin));
  }
  return sum;
}

LogitSummary summarise(std::int64_t count, const float* logits) {
  LogitSummary summary = {0, -__builtin_inff(), 0.0};
  std::int64_t where = 0;
  for (std::int64_t begin = 0; begin < count; begin += block) {
    const float largest = largest_of(count - begin < block ? count - begin : block, logits + begin);
    if (largest > summary.largest) {
      summary.largest = largest;
      where = begin;
    }
  }
  while (where + 1 < count && logits[where] != summary.largest) ++where;
  summary.first_largest = where;
  summary.others = sum_of_exponentials(where, logits, summary.largest) +
                   sum_of_exponentials(count - where - 1, logits + where + 1, summary.largest);
  return summary;
}

void transform(std::int64_t count, float scale, float soft_cap, float* logits) {
  if (soft_cap == 0.0F) {
#pragma omp simd
    for (std::int64_t i = 0; i < count; ++i) logits[i] *= scale;
    return;
  }
  const auto capped = [=](Floats logit) { return soft_cap * tanh_of(logit * scale / soft_cap); };
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) store(capped(load(logits + i)), logits + i);
  const auto rest = static_cast<std::size_t>(count - i) * sizeof(float);
  Floats last = {};
  __builtin_memcpy(&last, logits + i, rest);
  last = capped(last);
  __builtin_memcpy(logits + i, &last, rest);
}

/// In parts, which are read whole before they are written.
template <class T>
void softmax(std::int64_t count, const float* logits, float largest, float factor, float soft_cap, T* out) {
  const auto value = [=](Floats logit) __attribute__((always_inline)) {
    const Floats weight = factor * exp_of(logit - largest);
    if (soft_cap == 0.0F) return weight;
    const Floats ratio = logit / soft_cap;
    return weight * ((1.0F - ratio) * (1.0F + ratio));
  };
  std::int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    const Floats low = value(load(logits + i));
    const Floats high = value(load(logits + i + lanes));
    store_as(low, high, out + i);
  }
  for (; i < count; i += lanes) {
    const std::int64_t rest = count - i < lanes ? count - i : lanes;
    store_first(value(load_first(logits + i, rest)), rest, out + i);
  }
}

}  // namespace

const CrossEntropyKernels cross_entropy_table = {transform, summarise, softmax<float>,
                                                 softmax<std::uint16_t>};

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
