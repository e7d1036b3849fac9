#pragma once
#include <cstdint>
#include <map>

#include "model/parameter_spec.h"

namespace cola {

/// A linear layer [out, in] as its costs see it.
struct LinearCost {
  std::int64_t out = 0, in = 0;
  std::int64_t rank = 0;         ///< of the adapter in training; 0: none
  std::int64_t frozen_rank = 0;  ///< of frozen adapters that act beside the weight, summed
  bool weight_trained = false;

  [[nodiscard]] bool trained() const { return weight_trained || rank > 0; }
  /// FLOPs for each row: 2 a multiply-add, as Context::flops() counts them.
  [[nodiscard]] double forward_flops() const;
  /// Of a frozen weight only dx, where `input_gradient`. Of the adapter in training du and dB [out, r], dA
  /// [r, in]; dx once more. For rows with an adapter: full fine-tuning has no plan of FLOPs.
  [[nodiscard]] double backward_flops(bool input_gradient) const;
};

/// The linear layers of one block.
using BlockLinears = std::map<ParameterRole, LinearCost>;

/// What a sub-layer, or a block, takes for each token. Matrices are counted in elements of the compute dtype,
/// what is f32 or bits in bytes.
struct Footprint {
  std::int64_t kept = 0, kept_bytes = 0;        ///< between forward and backward, beside the input
  std::int64_t passing = 0, passing_bytes = 0;  ///< the same of a forward without a backward
  std::int64_t forward_scratch = 0;             ///< elements that all blocks share, one after the other
  std::int64_t backward_scratch = 0;
  double forward_flops = 0.0, forward_pair_flops = 0.0;  ///< for each token, for each query and visible key
  double backward_flops = 0.0, backward_pair_flops = 0.0;
  double not_recomputed_flops = 0.0;  ///< of the forward, what recomputing for the backward leaves out

  Footprint& operator+=(const Footprint& other);
};

}  // namespace cola
