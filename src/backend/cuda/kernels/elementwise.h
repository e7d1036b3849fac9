#pragma once
#include <cstdint>

#include "backend/cuda/kernels/queue.h"
#include "backend/cuda/kernels/rows.h"

// Launchers of backend/elementwise.h and the bias gradient of backend/linear.h. Pointers are device memory, T
// is float or BFloat16, matrices are [rows, cols]; computed in f32. Work is put on `queue`; the result says
// whether it could be.
namespace cola::cuda {

/// y = a + scale * b; y may be a or b.
template <class T>
[[nodiscard]] cudaError_t add(Queue queue, std::int64_t rows, std::int64_t cols, Rows<const T> a,
                              Rows<const T> b, float scale, Rows<T> y);
/// y = factor * x; y may be x.
template <class T>
[[nodiscard]] cudaError_t scale(Queue queue, std::int64_t rows, std::int64_t cols, Rows<const T> x,
                                float factor, Rows<T> y);

/// x = max(x, 0) in place, NaN kept; `positive` [relu_mask_bytes], written unless null: bit c % 8 of byte c /
/// 8 of a row is x > 0 at column c, as cuBLASLt's epilogues have it.
template <class T>
[[nodiscard]] cudaError_t relu_forward(Queue queue, std::int64_t rows, std::int64_t cols, Rows<T> x,
                                       std::uint8_t* positive);
/// dx = dy where the bit is set, else 0; dx may be dy.
template <class T>
[[nodiscard]] cudaError_t relu_backward(Queue queue, std::int64_t rows, std::int64_t cols, Rows<const T> dy,
                                        const std::uint8_t* positive, Rows<T> dx);

/// The function f of a gated MLP, as backend/elementwise.h has it.
enum class Gate : std::uint8_t { silu, gelu_tanh };
/// h = f(gate) up; h may be gate or up.
template <class T>
[[nodiscard]] cudaError_t gate_forward(Queue queue, Gate function, std::int64_t rows, std::int64_t cols,
                                       Rows<const T> gate, Rows<const T> up, Rows<T> h);
/// dgate = dh up f'(gate), dup = dh f(gate); dgate may be gate, dup may be up.
template <class T>
[[nodiscard]] cudaError_t gate_backward(Queue queue, Gate function, std::int64_t rows, std::int64_t cols,
                                        Rows<const T> dh, Rows<const T> gate, Rows<const T> up, Rows<T> dgate,
                                        Rows<T> dup);

/// The first two words of the Philox block that ops::dropout derives from seed and queue.
struct DropoutMask {
  std::uint32_t key[2];
  float probability;
};
/// y = x * mask / (1 - p), element (t, c) kept as backend/elementwise.h says; token_keys [rows]. y may be x.
template <class T>
[[nodiscard]] cudaError_t dropout(Queue queue, std::int64_t rows, std::int64_t cols, Rows<const T> x,
                                  const DropoutMask& mask, const std::uint64_t* token_keys, Rows<T> y);

/// Copies, rounding to nearest even. From: float, BFloat16, Float16; To: float, BFloat16.
template <class From, class To>
[[nodiscard]] cudaError_t convert(Queue queue, std::int64_t rows, std::int64_t cols, Rows<const From> source,
                                  Rows<To> destination);

/// Floats of scratch memory, 16-byte aligned, for column_sums.
[[nodiscard]] std::int64_t column_sums_scratch(std::int64_t rows, std::int64_t cols);
/// sums [cols] += the columns' sums of x, in an order that depends on `rows` alone.
template <class T>
[[nodiscard]] cudaError_t column_sums(Queue queue, std::int64_t rows, std::int64_t cols, Rows<const T> x,
                                      float* scratch, float* sums);

}  // namespace cola::cuda
