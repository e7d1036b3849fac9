#include "core/rounding.h"

#include <cstdint>

#include "core/parallel.h"

namespace cola {
namespace {

/// Calls body(rounded) with a function that rounds one value.
template <class Body>
void with_rounding(DType dtype, const Body& body) {
  if (dtype == DType::bf16) body([](float value) { return static_cast<float>(BFloat16(value)); });
  if (dtype == DType::f16) body([](float value) { return static_cast<float>(Float16(value)); });
}

}  // namespace

void round_to(DType dtype, std::span<float> values) {
  constexpr std::int64_t grain = std::int64_t{1} << 16;
  with_rounding(dtype, [&](const auto& rounded) {
    parallel_for(static_cast<std::int64_t>(values.size()), grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        float& value = values[static_cast<std::size_t>(i)];
        value = rounded(value);
      }
    });
  });
}

double squared_rounding_error(std::span<const float> values, DType dtype) {
  double sum = 0.0;
  with_rounding(dtype, [&](const auto& rounded) {
    for (const float value : values) {
      const double error = static_cast<double>(rounded(value)) - static_cast<double>(value);
      sum += error * error;
    }
  });
  return sum;
}

}  // namespace cola
