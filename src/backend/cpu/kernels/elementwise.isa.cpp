#include "backend/cpu/kernels/elementwise.h"

#include <type_traits>

#include "backend/cpu/kernels/rounding.h"
#include "backend/cpu/kernels/simd.h"

namespace cola::kernels::COLA_ISA_NAMESPACE {
namespace {

template <class T>
void add(std::int64_t rows, std::int64_t cols, Rows<const T> a, Rows<const T> b, float scale, Rows<T> y) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const T* left = a[row];
    const T* right = b[row];
    T* sum = y[row];
    if (scale == 1.0F) {
#pragma omp simd
      for (std::int64_t i = 0; i < cols; ++i) store_float(to_float(left[i]) + to_float(right[i]), sum + i);
    } else {
#pragma omp simd
      for (std::int64_t i = 0; i < cols; ++i)
        store_float(to_float(left[i]) + scale * to_float(right[i]), sum + i);
    }
  }
}

template <class T>
void scale(std::int64_t rows, std::int64_t cols, Rows<const T> x, float factor, Rows<T> y) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const T* source = x[row];
    T* result = y[row];
#pragma omp simd
    for (std::int64_t i = 0; i < cols; ++i) store_float(factor * to_float(source[i]), result + i);
  }
}

constexpr std::int64_t group_bytes = mask_group / 8;

/// A group of relu's mask by vectors of integers, each of eight columns or more, that is of whole bits of the
/// group's bytes: bit 0 of a byte stands for the first eight lanes, bit 1 for the next, ...
template <class T>
struct MaskVectors {
  using Element = std::conditional_t<sizeof(T) == 2, std::uint16_t, std::uint32_t>;
  using Signed = std::make_signed_t<Element>;
  static constexpr int width = vector_bytes / static_cast<int>(sizeof(T));
  static constexpr int lanes = width < 8 ? 8 : width;
  static constexpr int vectors = mask_group / lanes;
  static constexpr int bits = lanes / 8;  ///< of each byte that a vector of columns stands for
  using Vector [[gnu::vector_size(lanes * sizeof(T))]] = Element;
  using SignedVector [[gnu::vector_size(lanes * sizeof(T))]] = Signed;
  using Eight [[gnu::vector_size(8 * sizeof(T))]] = Element;
  using Bytes [[gnu::vector_size(8)]] = std::uint8_t;

  MaskVectors() {
    for (int i = 0; i < lanes; ++i) first_bits[i] = static_cast<Element>(1U << (i / 8));
  }

  /// mask = where values > 0. By the order of their bits, positive ones lie from 1 to infinity.
  [[gnu::always_inline]] void find(const T* values, std::uint8_t* mask) const {
    constexpr Signed infinity = sizeof(T) == 2 ? 0x7F80 : 0x7F800000;
    Vector found = {};
#pragma GCC unroll 8
    for (int i = 0; i < vectors; ++i) {
      SignedVector value;
      __builtin_memcpy(&value, values + i * lanes, sizeof value);
      found |= reinterpret_cast<Vector>((value > 0) & (value <= infinity)) & (first_bits << (i * bits));
    }
    Eight part[bits];
    __builtin_memcpy(part, &found, sizeof found);
    for (int i = 1; i < bits; ++i) part[0] |= part[i];
    const Bytes bytes = __builtin_convertvector(part[0], Bytes);
    __builtin_memcpy(mask, &bytes, sizeof bytes);
  }

  /// result = values where the mask says so, else 0.
  [[gnu::always_inline]] void select(const T* values, const std::uint8_t* mask, T* result) const {
    Bytes bytes;
    __builtin_memcpy(&bytes, mask, sizeof bytes);
    const Eight eight = __builtin_convertvector(bytes, Eight);
    Vector repeated;
    if constexpr (bits == 1) {
      repeated = eight;
    } else {
      const auto twice =
          __builtin_shufflevector(eight, eight, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7);
      if constexpr (bits == 2) {
        repeated = twice;
      } else {
        repeated =
            __builtin_shufflevector(twice, twice, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,  //
                                    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < vectors; ++i) {
      Vector value;
      __builtin_memcpy(&value, values + i * lanes, sizeof value);
      value &= reinterpret_cast<Vector>((repeated & (first_bits << (i * bits))) != 0);
      __builtin_memcpy(result + i * lanes, &value, sizeof value);
    }
  }

  Vector first_bits;
};

template <class T>
void relu_forward(std::int64_t rows, std::int64_t cols, Rows<T> x, Rows<std::uint8_t> positive) {
  const MaskVectors<T> vectors;
  const std::int64_t whole = cols - cols % mask_group;
  for (std::int64_t row = 0; row < rows; ++row) {
    T* values = x[row];
    if (positive.data != nullptr) {
      std::uint8_t* mask = positive[row];
      for (std::int64_t col = 0; col < whole; col += mask_group) vectors.find(values + col, mask + col / 8);
      if (whole < cols) {
        T last[mask_group] = {};
        __builtin_memcpy(last, values + whole, static_cast<std::size_t>(cols - whole) * sizeof(T));
        vectors.find(last, mask + whole / 8);
      }
    }
    // The comparison keeps a NaN, as max(x, 0) does in PyTorch.
#pragma omp simd
    for (std::int64_t i = 0; i < cols; ++i) values[i] = to_float(values[i]) <= 0.0F ? T{0} : values[i];
  }
}

template <class T>
void relu_backward(std::int64_t rows, std::int64_t cols, Rows<const T> dy, Rows<const std::uint8_t> positive,
                   Rows<T> dx) {
  const MaskVectors<T> vectors;
  const std::int64_t whole = cols - cols % mask_group;
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::uint8_t* mask = positive[row];
    const T* gradient = dy[row];
    T* result = dx[row];
    for (std::int64_t col = 0; col < whole; col += mask_group)
      vectors.select(gradient + col, mask + col / 8, result + col);
    for (std::int64_t i = whole; i < cols; ++i) {
      const std::int64_t place = i - whole;
      const bool kept = (mask[whole / 8 + place % group_bytes] >> (place / group_bytes) & 1) != 0;
      result[i] = kept ? gradient[i] : T{0};
    }
  }
}

struct Tangent {
  Floats value, slope;
};

/// Of one z, without cancellation.
struct Sigmoids {
  Floats of_z, of_minus_z;
};
[[gnu::always_inline]] inline Sigmoids sigmoids(Floats z) {
  const Floats small = exp_of(z < 0.0F ? z : -z);  // at most 1
  const Floats larger = 1.0F / (1.0F + small);
  const Floats smaller = small * larger;
  return {z < 0.0F ? smaller : larger, z < 0.0F ? larger : smaller};
}

struct Silu {
  [[gnu::always_inline]] static Floats value(Floats z) { return z / (1.0F + exp_of(-z)); }
  /// silu'(z) = sigmoid(z) (1 + z sigmoid(-z)).
  [[gnu::always_inline]] static Tangent tangent(Floats z) {
    const auto [sigmoid, complement] = sigmoids(z);
    return {z * sigmoid, sigmoid * (1.0F + z * complement)};
  }
};

/// (1 + tanh(u)) / 2 = sigmoid(2 u), without cancellation: gelu_tanh(z) = z sigmoid(w), w = 2 sqrt(2 / pi) (z
/// + 0.044715 z^3).
struct GeluTanh {
  static constexpr float linear = 1.5957691216F;  // 2 sqrt(2 / pi)
  static constexpr float cubic = 0.0713548163F;   // 0.044715 of it
  [[gnu::always_inline]] static Floats value(Floats z) {
    return z / (1.0F + exp_of(-z * (linear + cubic * (z * z))));
  }
  [[gnu::always_inline]] static Tangent tangent(Floats z) {
    const auto [sigmoid, complement] = sigmoids(z * (linear + cubic * (z * z)));
    return {z * sigmoid, sigmoid * (1.0F + z * (linear + 3.0F * cubic * (z * z)) * complement)};
  }
};

template <class T, class Function>
void gate_forward(std::int64_t rows, std::int64_t cols, Rows<const T> gate, Rows<const T> up, Rows<T> h) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const T* g = gate[row];
    const T* u = up[row];
    T* result = h[row];
    std::int64_t i = 0;
    for (; i + lanes <= cols; i += lanes) store_as(Function::value(load(g + i)) * load(u + i), result + i);
    if (const std::int64_t rest = cols - i; rest > 0)
      store_first(Function::value(load_first(g + i, rest)) * load_first(u + i, rest), rest, result + i);
  }
}

struct GateGradients {
  Floats gate, up;
};
template <class Function>
[[gnu::always_inline]] inline GateGradients gate_gradients(Floats dh, Floats gate, Floats up) {
  const Tangent f = Function::tangent(gate);
  return {dh * up * f.slope, dh * f.value};
}

template <class T, class Function>
void gate_backward(std::int64_t rows, std::int64_t cols, Rows<const T> dh, Rows<const T> gate,
                   Rows<const T> up, Rows<T> dgate, Rows<T> dup) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const T* d = dh[row];
    const T* g = gate[row];
    const T* u = up[row];
    T* gate_gradient = dgate[row];
    T* up_gradient = dup[row];
    std::int64_t i = 0;
    for (; i + lanes <= cols; i += lanes) {
      const auto of = gate_gradients<Function>(load(d + i), load(g + i), load(u + i));
      store_as(of.gate, gate_gradient + i);
      store_as(of.up, up_gradient + i);
    }
    if (const std::int64_t rest = cols - i; rest > 0) {
      const auto of =
          gate_gradients<Function>(load_first(d + i, rest), load_first(g + i, rest), load_first(u + i, rest));
      store_first(of.gate, rest, gate_gradient + i);
      store_first(of.up, rest, up_gradient + i);
    }
  }
}

template <class T, class Function>
constexpr GateKernels<T> gate_table = {gate_forward<T, Function>, gate_backward<T, Function>};

constexpr std::int64_t mask_blocks = 64;  // counter blocks of 4 columns that are computed together

/// Philox4x32-10 of counters (block + i, low, high, 0): word w of block i in words[4 i + w].
[[gnu::always_inline]] inline void philox_blocks(std::uint32_t block, std::uint64_t token_key,
                                                 const std::uint32_t* key, std::uint32_t* words) {
  const auto low = static_cast<std::uint32_t>(token_key);
  const auto high = static_cast<std::uint32_t>(token_key >> 32);
#pragma omp simd
  for (std::int64_t i = 0; i < mask_blocks; ++i) {
    std::uint32_t c0 = block + static_cast<std::uint32_t>(i);
    std::uint32_t c1 = low;
    std::uint32_t c2 = high;
    std::uint32_t c3 = 0;
    std::uint32_t key0 = key[0];
    std::uint32_t key1 = key[1];
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t product0 = std::uint64_t{0xD2511F53U} * c0;
      const std::uint64_t product1 = std::uint64_t{0xCD9E8D57U} * c2;
      c0 = static_cast<std::uint32_t>(product1 >> 32) ^ c1 ^ key0;
      c1 = static_cast<std::uint32_t>(product1);
      c2 = static_cast<std::uint32_t>(product0 >> 32) ^ c3 ^ key1;
      c3 = static_cast<std::uint32_t>(product0);
      key0 += 0x9E3779B9U;
      key1 += 0xBB67AE85U;
    }
    words[4 * i] = c0;
    words[4 * i + 1] = c1;
    words[4 * i + 2] = c2;
    words[4 * i + 3] = c3;
  }
}

template <class T>
void dropout(std::int64_t rows, std::int64_t cols, Rows<const T> x, const DropoutMask& mask,
             const std::uint64_t* token_keys, Rows<T> y) {
  const float probability = mask.probability;
  const float scale = 1.0F / (1.0F - probability);
  alignas(64) std::uint32_t words[4 * mask_blocks];
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t begin = 0; begin < cols; begin += 4 * mask_blocks) {
      philox_blocks(static_cast<std::uint32_t>(begin / 4), token_keys[row], mask.key, words);
      const T* source = x[row] + begin;
      T* result = y[row] + begin;
      const std::int64_t count = cols - begin < 4 * mask_blocks ? cols - begin : 4 * mask_blocks;
#pragma omp simd
      for (std::int64_t i = 0; i < count; ++i) {
        const float uniform = static_cast<float>(static_cast<std::int32_t>(words[i] >> 8)) * 0x1p-24F;
        const float scaled = to_float(source[i]) * scale;
        store_float(uniform >= probability ? scaled : 0.0F, result + i);
      }
    }
  }
}

template <class T>
void rotary(std::int64_t rows, std::int64_t heads, std::int64_t head_dim, std::int64_t half, Rows<T> x,
            const std::int32_t* positions, Rows<const float> cos, Rows<const float> sin, float sign) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* cosine = cos[positions[row]];
    const float* sine = sin[positions[row]];
    for (std::int64_t head = 0; head < heads; ++head) {
      T* first = x[row] + head * head_dim;
      T* second = first + half;
#pragma omp simd
      for (std::int64_t i = 0; i < half; ++i) {
        const float a = to_float(first[i]);
        const float b = to_float(second[i]);
        const float s = sign * sine[i];
        store_float(a * cosine[i] - b * s, first + i);
        store_float(b * cosine[i] + a * s, second + i);
      }
    }
  }
}

template <class T>
constexpr ElementwiseKernels<T> table = {
    add<T>,     scale<T>, relu_forward<T>, relu_backward<T>, gate_table<T, Silu>, gate_table<T, GeluTanh>,
    dropout<T>, rotary<T>};

}  // namespace

const ElementwiseKernels<float> elementwise_f32 = table<float>;
const ElementwiseKernels<std::uint16_t> elementwise_bf16 = table<std::uint16_t>;

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
