#include "backend/update.h"

#include "backend/backend.h"
#include "backend/checks.h"
#include "backend/profile.h"

namespace cola::ops {
namespace {

/// Bytes of all gradients; checks that the tensors' arrays agree. `arrays`: how many of first and second a
/// tensor has.
std::uint64_t gradient_bytes(std::span<const UpdatedTensor> tensors, int arrays, std::string_view op) {
  std::uint64_t bytes = 0;
  for (const UpdatedTensor& tensor : tensors) {
    const std::size_t length = tensor.parameter.size();
    const bool agree = tensor.gradient.size() == length && tensor.first.size() == (arrays > 0 ? length : 0) &&
                       tensor.second.size() == (arrays > 1 ? length : 0);
    check(agree, op, "the arrays differ in length");
    bytes += tensor.gradient.size_bytes();
  }
  return bytes;
}

}  // namespace

void adamw_update(Context& context, const AdamW& setting, float gradient_scale,
                  std::span<const UpdatedTensor> tensors) {
  check(setting.step >= 1, "adamw_update", "steps count from 1");
  const ProfileScope scope(context, "adamw_update", 7 * gradient_bytes(tensors, 2, "adamw_update"));
  context.backend().ops().adamw_update(context, setting, gradient_scale, tensors);
}

void sgd_update(Context& context, const Sgd& setting, float gradient_scale,
                std::span<const UpdatedTensor> tensors) {
  const int arrays = setting.momentum != 0.0 ? 1 : 0;
  const ProfileScope scope(context, "sgd_update",
                           (arrays == 0 ? 3 : 5) * gradient_bytes(tensors, arrays, "sgd_update"));
  context.backend().ops().sgd_update(context, setting, gradient_scale, tensors);
}

void adagrad_update(Context& context, const Adagrad& setting, float gradient_scale,
                    std::span<const UpdatedTensor> tensors) {
  const ProfileScope scope(context, "adagrad_update", 5 * gradient_bytes(tensors, 1, "adagrad_update"));
  context.backend().ops().adagrad_update(context, setting, gradient_scale, tensors);
}

void zero_arrays(Context& context, std::span<const std::span<float>> arrays) {
  std::uint64_t bytes = 0;
  for (const auto& array : arrays) bytes += array.size_bytes();
  const ProfileScope scope(context, "zero_arrays", bytes);
  context.backend().ops().zero_arrays(context, arrays);
}

double squared_norm(Context& context, std::span<const std::span<const float>> arrays) {
  std::uint64_t bytes = 0;
  for (const auto& array : arrays) bytes += array.size_bytes();
  const ProfileScope scope(context, "squared_norm", bytes);
  return context.backend().ops().squared_norm(context, arrays);
}

}  // namespace cola::ops
