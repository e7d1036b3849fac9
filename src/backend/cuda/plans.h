#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "backend/cuda/kernels/attention_plan.h"

namespace cola::ops::cuda {

/// How a batch's attention is divided among blocks, and how much of it there is.
struct AttentionPlan {
  cola::cuda::AttentionTiles queries, keys;
  std::int32_t window = 0;  ///< 0 where it hides nothing
  std::int64_t pairs = 0;   ///< of a query and a key that it sees
};

/// What ops work out from a batch's description, kept from one op to the next: all blocks of a model ask for
/// the same.
class BatchPlans {
 public:
  /// Arguments as of ops::attention_forward; valid until the next batch's.
  [[nodiscard]] const AttentionPlan& attention(std::span<const std::int32_t> offsets,
                                               std::span<const std::int32_t> prefixes, std::int64_t window);

 private:
  std::vector<std::int32_t> offsets_, prefixes_;
  std::map<std::int32_t, AttentionPlan> attention_;  ///< by window
};

}  // namespace cola::ops::cuda
