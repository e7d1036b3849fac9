#include "core/stored_values.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>

#include "core/finite_values.h"
#include "core/parallel.h"
#include "core/quantize.h"
#include "core/quantized_blocks.h"

namespace cola {
namespace {

template <class T>
void narrow(std::span<const float> values, std::span<std::byte> bytes) {
  auto* out = reinterpret_cast<T*>(bytes.data());
  constexpr std::int64_t grain = std::int64_t{1} << 16;
  parallel_for(std::ssize(values), grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out[i] = T(values[static_cast<std::size_t>(i)]);
  });
}

}  // namespace

void store(std::span<const float> values, DType dtype, std::span<std::byte> bytes) {
  if (dtype == DType::f32) return narrow<float>(values, bytes);
  if (dtype == DType::bf16) return narrow<BFloat16>(values, bytes);
  if (dtype == DType::f16) return narrow<Float16>(values, bytes);
  if (can_quantize(dtype)) return quantize(dtype, values, bytes.data());
  throw std::logic_error("values are not written in this type");
}

std::size_t first_lost(std::span<const float> values, DType dtype, std::span<const std::byte> bytes) {
  if (!is_quantized(dtype)) return all_finite(bytes, dtype) ? values.size() : first_not_finite(bytes, dtype);
  const auto largest = [](float a, float b) { return std::abs(a) < std::abs(b); };
  auto found = std::ranges::find_if(values, [](float value) { return !std::isfinite(value); });
  if (found == values.end() && !blocks_finite(dtype, bytes))
    found = std::ranges::max_element(values, largest);  // its block's scale is beyond f16
  return static_cast<std::size_t>(found - values.begin());
}

}  // namespace cola
