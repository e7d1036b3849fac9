#pragma once
#include <cstdint>

#include "backend/cpu/kernels/attention_product.h"
#include "backend/cpu/kernels/soft_cap.h"

// The softmax of attention, a block of keys at a time, for *.isa.cpp.
namespace cola::kernels::COLA_ISA_NAMESPACE {

/// The running softmax of one query (Milakov and Gimelshein, 2018): weights so far are relative to `largest`.
struct Softmax {
  float largest;
  Floats total;  ///< of the weights, one partial sum a lane
};

[[gnu::always_inline]] inline Floats infinity() { return Floats{} + __builtin_inff(); }

/// scores = cap tanh(scores / cap) of the keys that are seen.
inline void cap_scores(Range seen, float cap, float* scores) {
  for (std::int64_t i = vector_begin(seen.begin); i < seen.end; i += lanes)
    store(soft_cap<true>(load(scores + i), cap).scores, scores + i);
}

/// Takes the scores of at least one more key into the softmax, turns them into weights, and rescales the
/// query's output so far.
[[gnu::always_inline]] inline void take_scores(Range seen, float* scores, Softmax& state, std::int64_t cols,
                                               float* output) {
  const std::int64_t first = vector_begin(seen.begin);
  const std::int64_t whole = round_up(seen.end, lanes);
  for (std::int64_t i = first; i < seen.begin; ++i) scores[i] = -__builtin_inff();
  for (std::int64_t i = seen.end; i < whole; ++i) scores[i] = -__builtin_inff();
  Floats most = -infinity();
  for (std::int64_t i = first; i < whole; i += lanes) {
    const Floats score = load(scores + i);
    most = score > most ? score : most;
  }
  const float block_largest = max_of(most);
  const float largest = block_largest > state.largest ? block_largest : state.largest;
  if (largest != state.largest) {
    const float shrink = exp_of(state.largest - largest);
    state.total *= shrink;
    for (std::int64_t i = 0; i < cols; i += lanes) store(load(output + i) * shrink, output + i);
    state.largest = largest;
  }
  for (std::int64_t i = first; i < whole; i += lanes) {
    const Floats weight = exp_of(load(scores + i) - largest);
    store(weight, scores + i);
    state.total += weight;
  }
}

/// Writes output / total and the log-sum-exp of one query.
template <class T>
void finish_query(std::int64_t head_dim, const Softmax& state, const float* output, T* out,
                  float* log_sum_exp) {
  const float total = sum_of(state.total);
  unpack_row(head_dim, output, 1.0F / total, out);
  if (log_sum_exp != nullptr) *log_sum_exp = state.largest + __builtin_logf(total);
}

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
