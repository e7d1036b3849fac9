#pragma once
#include "backend/cpu/kernels/simd.h"

namespace cola::kernels::COLA_ISA_NAMESPACE {

/// Scores under a soft cap, and what their gradients are multiplied by on the way back through it.
struct CappedScores {
  Floats scores, slopes;
};

/// cap tanh(scores / cap); the scores themselves where they are not `capped`.
template <bool capped>
[[gnu::always_inline]] inline CappedScores soft_cap(Floats scores, float cap) {
  if constexpr (capped) {
    const Floats ratio = tanh_of(scores * (1.0F / cap));
    return {ratio * cap, 1.0F - ratio * ratio};
  } else {
    return {scores, Floats{} + 1.0F};
  }
}

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
