#include "backend/cpu/kernels/convert.h"

#include "backend/cpu/kernels/bf16.h"

namespace cola::kernels::COLA_ISA_NAMESPACE {
namespace {

template <class From, class To, class Operation>
[[gnu::always_inline]] inline void for_each(std::int64_t rows, std::int64_t cols, Rows<const From> from,
                                            Rows<To> to, Operation operation) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const From* source = from[row];
    To* destination = to[row];
#pragma omp simd
    for (std::int64_t i = 0; i < cols; ++i) store_float(operation(source[i]), destination + i);
  }
}

void f32_to_bf16(std::int64_t rows, std::int64_t cols, Rows<const float> from, Rows<std::uint16_t> to) {
  for_each(rows, cols, from, to, [](float value) { return value; });
}
void bf16_to_f32(std::int64_t rows, std::int64_t cols, Rows<const std::uint16_t> from, Rows<float> to) {
  for_each(rows, cols, from, to, [](std::uint16_t value) { return to_float(value); });
}
void f16_to_f32(std::int64_t rows, std::int64_t cols, Rows<const std::uint16_t> from, Rows<float> to) {
  for_each(rows, cols, from, to, [](std::uint16_t value) { return float_of_half(value); });
}
void f16_to_bf16(std::int64_t rows, std::int64_t cols, Rows<const std::uint16_t> from,
                 Rows<std::uint16_t> to) {
  for_each(rows, cols, from, to, [](std::uint16_t value) { return float_of_half(value); });
}

}  // namespace

const ConvertKernels convert = {f32_to_bf16, bf16_to_f32, f16_to_f32, f16_to_bf16};

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
