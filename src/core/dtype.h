#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace cola {

/// Types of numbers, and after those the block-wise quantised ones of GGUF files (docs/gguf.md), which
/// weights may have: core/quantized_blocks.h.
enum class DType : std::uint8_t {
  f32,
  bf16,
  f16,
  i64,
  i32,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4_nl,
  iq4_xs,
  mxfp4,
};

/// How values lie in memory: `values` neighbours of a row share `bytes`.
struct BlockLayout {
  std::int64_t values = 1;
  std::int64_t bytes = 0;
};
[[nodiscard]] BlockLayout layout_of(DType dtype);

[[nodiscard]] inline bool is_quantized(DType dtype) { return dtype >= DType::q4_0; }

/// Bytes of one number. Throws std::logic_error for a quantised type, whose values share bytes.
[[nodiscard]] std::size_t size_of(DType dtype);

/// Bytes of `count` values, whole blocks of them.
[[nodiscard]] inline std::int64_t bytes_of(DType dtype, std::int64_t count) {
  const BlockLayout block = layout_of(dtype);
  return count / block.values * block.bytes;
}

/// "f32", "bf16", "q4_0", ...: the names of options, logs and messages.
[[nodiscard]] std::string_view name_of(DType dtype);

/// Accepts our names and Hugging Face's ("float32", "bfloat16", "float16"). Throws UsageError on any other.
[[nodiscard]] DType parse_dtype(std::string_view name);

/// The upper half of an IEEE float32, rounded to nearest even.
struct BFloat16 {
  std::uint16_t bits = 0;

  BFloat16() = default;
  explicit BFloat16(float value) {
    const auto word = std::bit_cast<std::uint32_t>(value);
    const bool is_nan = (word & 0x7fffffffU) > 0x7f800000U;
    bits = is_nan ? static_cast<std::uint16_t>((word >> 16) | 0x40U)
                  : static_cast<std::uint16_t>((word + 0x7fffU + ((word >> 16) & 1U)) >> 16);
  }
  explicit operator float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
};

/// IEEE binary16: only read from and written to files, never computed with.
struct Float16 {
  std::uint16_t bits = 0;

  Float16() = default;
  explicit Float16(float value);
  explicit operator float() const;
};

template <class T>
inline constexpr DType dtype_of = [] {
  static_assert(sizeof(T) == 0, "no DType for this type");
  return DType::f32;
}();
template <>
inline constexpr DType dtype_of<float> = DType::f32;
template <>
inline constexpr DType dtype_of<BFloat16> = DType::bf16;
template <>
inline constexpr DType dtype_of<Float16> = DType::f16;
template <>
inline constexpr DType dtype_of<std::int64_t> = DType::i64;
template <>
inline constexpr DType dtype_of<std::int32_t> = DType::i32;

}  // namespace cola
