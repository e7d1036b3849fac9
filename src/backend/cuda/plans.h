#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "backend/cuda/kernels/attention_plan.h"

namespace cola::ops::cuda {

/// How a batch's attention is divided among blocks, and how much of it there is.
struct AttentionPlan {
  cola::cuda::AttentionTiles queries, keys;
  double pairs = 0.0;  ///< of a query and a key that it sees
};

/// What ops work out from a batch's description, kept from one op to the next: all blocks of a model ask for
/// the same.
class BatchPlans {
 public:
  [[nodiscard]] const AttentionPlan& attention(std::span<const std::int32_t> offsets,
                                               std::span<const std::int32_t> prefixes);

 private:
  std::vector<std::int32_t> offsets_, prefixes_;
  AttentionPlan attention_;
};

}  // namespace cola::ops::cuda
