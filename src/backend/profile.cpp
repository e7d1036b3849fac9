#include "backend/profile.h"

#include "backend/backend.h"
#include "core/error.h"

namespace cola::ops {

ProfileScope::ProfileScope(Context& context, std::string_view op, std::uint64_t bytes)
    : context_(context), op_(op), bytes_(bytes), profile_(context.profile()) {
  if (profile_ != nullptr && profile_->in_op_) profile_ = nullptr;
  if (profile_ == nullptr) return;
  profile_->in_op_ = true;
  context_.backend().synchronize();
  flops_before_ = context.flops();
  start_ = Clock::now();
}

ProfileScope::~ProfileScope() {
  if (profile_ == nullptr) return;
  try {
    context_.backend().synchronize();
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): whoever waits next is told again
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  profile_->in_op_ = false;
  OpCost& cost = profile_->costs_.try_emplace(std::string(op_)).first->second;
  ++cost.calls;
  cost.seconds += seconds;
  cost.flops += context_.flops() - flops_before_;
  cost.bytes += bytes_;
}

std::uint64_t bytes_of(std::initializer_list<ConstMatrixView> operands) {
  std::uint64_t bytes = 0;
  for (const ConstMatrixView& operand : operands) {
    bytes += static_cast<std::uint64_t>(cola::bytes_of(operand.dtype, operand.rows * operand.cols));
  }
  return bytes;
}

}  // namespace cola::ops
