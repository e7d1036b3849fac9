#include "model/footprint.h"

namespace cola {

double LinearCost::forward_flops() const {
  return 2.0 * static_cast<double>(out * in + (rank + frozen_rank) * (out + in));
}

double LinearCost::backward_flops(bool input_gradient) const {
  const std::int64_t own = rank * (2 * out + in);
  const std::int64_t of_input = out * in + frozen_rank * (out + in) + rank * in;
  return 2.0 * static_cast<double>(input_gradient ? own + of_input : own);
}

Footprint& Footprint::operator+=(const Footprint& other) {
  kept += other.kept;
  kept_bytes += other.kept_bytes;
  passing += other.passing;
  passing_bytes += other.passing_bytes;
  forward_scratch += other.forward_scratch;
  backward_scratch += other.backward_scratch;
  forward_flops += other.forward_flops;
  forward_pair_flops += other.forward_pair_flops;
  backward_flops += other.backward_flops;
  backward_pair_flops += other.backward_pair_flops;
  not_recomputed_flops += other.not_recomputed_flops;
  return *this;
}

}  // namespace cola
