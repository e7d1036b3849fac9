#include "backend/update.h"

#include "backend/backend.h"
#include "backend/checks.h"
#include "backend/profile.h"

namespace cola::ops {
namespace {

void check_lengths(std::size_t parameters, std::initializer_list<std::size_t> others, std::string_view op) {
  for (const std::size_t length : others) check(length == parameters, op, "the arrays differ in length");
}

}  // namespace

void adamw_update(Context& context, const AdamW& setting, float gradient_scale,
                  std::span<const float> gradient, std::span<float> parameter, std::span<float> m,
                  std::span<float> v) {
  const ProfileScope scope(context, "adamw_update", 7 * gradient.size_bytes());
  check_lengths(parameter.size(), {gradient.size(), m.size(), v.size()}, "adamw_update");
  check(setting.step >= 1, "adamw_update", "steps count from 1");
  context.backend().ops().adamw_update(context, setting, gradient_scale, gradient, parameter, m, v);
}

void sgd_update(Context& context, const Sgd& setting, float gradient_scale, std::span<const float> gradient,
                std::span<float> parameter, std::span<float> buffer) {
  const ProfileScope scope(context, "sgd_update", (buffer.empty() ? 3 : 5) * gradient.size_bytes());
  check_lengths(parameter.size(), {gradient.size()}, "sgd_update");
  if (setting.momentum != 0.0 || !buffer.empty())
    check_lengths(parameter.size(), {buffer.size()}, "sgd_update");
  context.backend().ops().sgd_update(context, setting, gradient_scale, gradient, parameter, buffer);
}

void adagrad_update(Context& context, const Adagrad& setting, float gradient_scale,
                    std::span<const float> gradient, std::span<float> parameter, std::span<float> sum) {
  const ProfileScope scope(context, "adagrad_update", 5 * gradient.size_bytes());
  check_lengths(parameter.size(), {gradient.size(), sum.size()}, "adagrad_update");
  context.backend().ops().adagrad_update(context, setting, gradient_scale, gradient, parameter, sum);
}

double squared_norm(Context& context, std::span<const std::span<const float>> arrays) {
  std::uint64_t bytes = 0;
  for (const auto& array : arrays) bytes += array.size_bytes();
  const ProfileScope scope(context, "squared_norm", bytes);
  return context.backend().ops().squared_norm(context, arrays);
}

}  // namespace cola::ops
