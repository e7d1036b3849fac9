#pragma once
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

// The values of quantised blocks (docs/gguf.md; core/quantized_blocks.cpp) for device code. Neighbours from a
// multiple of 8 on share scale and minimum: `first` is one, and a value is scale * integer(first, i), plus
// the minimum where the type has one.
namespace cola::cuda::quantized {

using Bytes = const std::uint8_t*;

struct Factors {
  float scale;
  float minimum = 0.0F;
};

__device__ __forceinline__ float half_at(Bytes at) {
  return __half2float(__ushort_as_half(static_cast<unsigned short>(at[0] | at[1] << 8)));
}

/// Nibbles of 16 bytes: the low ones are the first 16 values, the high ones the next.
__device__ __forceinline__ int nibble(Bytes bytes, int first, int i) {
  const int byte = bytes[first % 16 + i];
  return first % 32 < 16 ? byte & 15 : byte >> 4;
}

template <bool five_bits, bool with_minimum>
struct Nibbles {
  static constexpr int values = 32;
  static constexpr int bytes = 18 + (five_bits ? 4 : 0) + (with_minimum ? 2 : 0);
  static constexpr bool has_minimum = with_minimum;

  static __device__ __forceinline__ Factors factors(Bytes block, int /*first*/) {
    return {half_at(block), with_minimum ? half_at(block + 2) : 0.0F};
  }
  static __device__ __forceinline__ int integer(Bytes block, int first, int i) {
    Bytes rest = block + (with_minimum ? 4 : 2);
    int q = nibble(rest + (five_bits ? 4 : 0), first, i);
    if (five_bits) q |= (rest[first / 8] >> i & 1) << 4;
    return with_minimum ? q : q - (five_bits ? 16 : 8);
  }
};

struct Q8_0 {
  static constexpr int values = 32, bytes = 34;
  static constexpr bool has_minimum = false;

  static __device__ __forceinline__ Factors factors(Bytes block, int /*first*/) { return {half_at(block)}; }
  static __device__ __forceinline__ int integer(Bytes block, int first, int i) {
    return static_cast<std::int8_t>(block[2 + first + i]);
  }
};

struct Q2_K {
  static constexpr int values = 256, bytes = 84;
  static constexpr bool has_minimum = true;

  static __device__ __forceinline__ Factors factors(Bytes block, int first) {
    const int packed = block[first / 16];
    return {half_at(block + 80) * static_cast<float>(packed & 15),
            -(half_at(block + 82) * static_cast<float>(packed >> 4))};
  }
  static __device__ __forceinline__ int integer(Bytes block, int first, int i) {
    return block[16 + 32 * (first / 128) + first % 32 + i] >> (2 * (first % 128 / 32)) & 3;
  }
};

struct Q3_K {
  static constexpr int values = 256, bytes = 110;
  static constexpr bool has_minimum = false;

  static __device__ __forceinline__ Factors factors(Bytes block, int first) {
    Bytes packed = block + 96;
    const int index = first / 16;
    const int low = index < 8 ? packed[index] & 15 : packed[index - 8] >> 4;
    const int high = packed[8 + index % 4] >> (2 * (index / 4)) & 3;
    return {half_at(block + 108) * static_cast<float>((low | high << 4) - 32)};
  }
  static __device__ __forceinline__ int integer(Bytes block, int first, int i) {
    const int k = first % 128 / 32;
    const int low = block[32 + 32 * (first / 128) + first % 32 + i] >> (2 * k) & 3;
    const bool set = (block[first % 32 + i] >> (4 * (first / 128) + k) & 1) != 0;
    return set ? low : low - 4;
  }
};

template <bool five_bits>
struct Q45_K {
  static constexpr int values = 256, bytes = five_bits ? 176 : 144;
  static constexpr bool has_minimum = true;

  static __device__ __forceinline__ Factors factors(Bytes block, int first) {
    Bytes s = block + 4;
    const int j = first / 32;
    const int scale = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
    const int minimum = j < 4 ? s[j + 4] & 63 : (s[j + 4] >> 4) | (s[j] >> 6) << 4;
    return {half_at(block) * static_cast<float>(scale), -(half_at(block + 2) * static_cast<float>(minimum))};
  }
  static __device__ __forceinline__ int integer(Bytes block, int first, int i) {
    const int byte = block[(five_bits ? 48 : 16) + 32 * (first / 64) + first % 32 + i];
    const int q = first % 64 < 32 ? byte & 15 : byte >> 4;
    return five_bits ? q | (block[16 + first % 32 + i] >> (first / 32) & 1) << 4 : q;
  }
};

struct Q6_K {
  static constexpr int values = 256, bytes = 210;
  static constexpr bool has_minimum = false;

  static __device__ __forceinline__ Factors factors(Bytes block, int first) {
    return {half_at(block + 208) * static_cast<float>(static_cast<std::int8_t>(block[192 + first / 16]))};
  }
  static __device__ __forceinline__ int integer(Bytes block, int first, int i) {
    const int half = first / 128, k = first % 128 / 32, l = first % 32 + i;
    const int low = block[64 * half + 32 * (k % 2) + l] >> (4 * (k / 2)) & 15;
    const int high = block[128 + 32 * half + l] >> (2 * k) & 3;
    return (low | high << 4) - 32;
  }
};

/// Entry `index` of a table of 16 bytes in two words, the first entries in the low bytes.
__device__ __forceinline__ int entry(std::uint64_t low, std::uint64_t high, int index) {
  return static_cast<std::int8_t>((index < 8 ? low : high) >> (8 * (index % 8)));
}

/// -127 -104 -83 -65 -49 -35 -22 -10 1 13 25 38 53 69 89 113
__device__ __forceinline__ int iq4_value(int index) {
  return entry(0xF6EADDCFBFAD9881U, 0x7159453526190D01U, index);
}

struct Iq4_nl {
  static constexpr int values = 32, bytes = 18;
  static constexpr bool has_minimum = false;

  static __device__ __forceinline__ Factors factors(Bytes block, int /*first*/) { return {half_at(block)}; }
  static __device__ __forceinline__ int integer(Bytes block, int first, int i) {
    return iq4_value(nibble(block + 2, first, i));
  }
};

struct Iq4_xs {
  static constexpr int values = 256, bytes = 136;
  static constexpr bool has_minimum = false;

  static __device__ __forceinline__ Factors factors(Bytes block, int first) {
    const int group = first / 32;
    const int low = block[4 + group / 2] >> (4 * (group % 2)) & 15;
    const int high = (block[2] | block[3] << 8) >> (2 * group) & 3;
    return {half_at(block) * static_cast<float>((low | high << 4) - 32)};
  }
  static __device__ __forceinline__ int integer(Bytes block, int first, int i) {
    return iq4_value(nibble(block + 8 + 16 * (first / 32), first, i));
  }
};

struct Mxfp4 {
  static constexpr int values = 32, bytes = 17;
  static constexpr bool has_minimum = false;

  static __device__ __forceinline__ Factors factors(Bytes block, int /*first*/) {
    const unsigned e = block[0];
    return {__uint_as_float(e < 2 ? 0x00200000U << e : (e - 1) << 23)};
  }
  /// 0 1 2 3 4 6 8 12 0 -1 -2 -3 -4 -6 -8 -12
  static __device__ __forceinline__ int integer(Bytes block, int first, int i) {
    return entry(0x0C08060403020100U, 0xF4F8FAFCFDFEFF00U, nibble(block + 1, first, i));
  }
};

}  // namespace cola::cuda::quantized
