#pragma once
#include <cstdint>
#include <limits>
#include <optional>
#include <span>

namespace cola {

/// a * b and a + b of sizes that are not negative; nothing if one is negative or the result does not fit.
[[nodiscard]] constexpr std::optional<std::int64_t> checked_multiply(std::int64_t a, std::int64_t b) {
  if (a < 0 || b < 0 || (b != 0 && a > std::numeric_limits<std::int64_t>::max() / b)) return std::nullopt;
  return a * b;
}

[[nodiscard]] constexpr std::optional<std::int64_t> checked_add(std::int64_t a, std::int64_t b) {
  if (a < 0 || b < 0 || a > std::numeric_limits<std::int64_t>::max() - b) return std::nullopt;
  return a + b;
}

/// Bytes of a tensor with this shape and this element size.
[[nodiscard]] constexpr std::optional<std::int64_t> checked_bytes(std::span<const std::int64_t> shape,
                                                                  std::int64_t element_size) {
  std::optional<std::int64_t> bytes = element_size;
  for (const std::int64_t extent : shape) {
    bytes = checked_multiply(*bytes, extent);
    if (!bytes) break;
  }
  return bytes;
}

}  // namespace cola
