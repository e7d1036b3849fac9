#include "core/dtype.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <stdexcept>

#include "core/error.h"

namespace cola {

namespace {

struct DTypeFacts {
  std::string_view name;
  BlockLayout layout;
};

/// In the order of DType.
constexpr std::array<DTypeFacts, 18> facts{{
    {"f32", {1, 4}},
    {"bf16", {1, 2}},
    {"f16", {1, 2}},
    {"i64", {1, 8}},
    {"i32", {1, 4}},
    {"q4_0", {32, 18}},
    {"q4_1", {32, 20}},
    {"q5_0", {32, 22}},
    {"q5_1", {32, 24}},
    {"q8_0", {32, 34}},
    {"q2_k", {256, 84}},
    {"q3_k", {256, 110}},
    {"q4_k", {256, 144}},
    {"q5_k", {256, 176}},
    {"q6_k", {256, 210}},
    {"iq4_nl", {32, 18}},
    {"iq4_xs", {256, 136}},
    {"mxfp4", {32, 17}},
}};
static_assert(facts.size() == static_cast<std::size_t>(DType::mxfp4) + 1);

}  // namespace

BlockLayout layout_of(DType dtype) { return facts[static_cast<std::size_t>(dtype)].layout; }

std::size_t size_of(DType dtype) {
  if (is_quantized(dtype)) throw std::logic_error("a value of a quantised type has no bytes of its own");
  return static_cast<std::size_t>(layout_of(dtype).bytes);
}

std::string_view name_of(DType dtype) { return facts[static_cast<std::size_t>(dtype)].name; }

DType parse_dtype(std::string_view name) {
  if (name == "f32" || name == "float32") return DType::f32;
  if (name == "bf16" || name == "bfloat16") return DType::bf16;
  if (name == "f16" || name == "float16") return DType::f16;
  throw UsageError(fmt::format("unknown dtype '{}': use f32, bf16 or f16", name));
}

Float16::Float16(float value) {
  const auto word = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((word >> 16) & 0x8000U);
  const std::uint32_t magnitude = word & 0x7fffffffU;
  if (magnitude > 0x7f800000U) {  // NaN
    bits = sign | 0x7e00U;
  } else if (magnitude >= 0x477ff000U) {  // rounds to 65536 or more
    bits = sign | 0x7c00U;
  } else if (magnitude < 0x38800000U) {  // subnormal: a multiple of 2^-24, rounded to nearest even
    const float scaled = std::bit_cast<float>(magnitude) * 16777216.0F;
    bits = sign | static_cast<std::uint16_t>(std::nearbyint(scaled));
  } else {
    const std::uint32_t rounded = magnitude + 0xfffU + ((magnitude >> 13) & 1U);
    bits = sign | static_cast<std::uint16_t>((rounded - 0x38000000U) >> 13);
  }
}

Float16::operator float() const {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1fU;
  const std::uint32_t mantissa = bits & 0x3ffU;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000U | (mantissa << 13));
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 112U) << 23) | (mantissa << 13));
}

}  // namespace cola
