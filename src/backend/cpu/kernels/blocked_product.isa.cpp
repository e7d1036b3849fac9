#include "backend/cpu/kernels/blocked_product_loop.h"
#include "backend/cpu/kernels/transpose.h"

namespace cola::kernels::COLA_ISA_NAMESPACE {
namespace {

struct FloatWord {
  static constexpr int terms = 1;
  [[gnu::always_inline]] static Floats add_product(Floats sum, float left, Floats right) {
    return sum + left * right;
  }
};

template <class T>
void copy_widened(std::int64_t count, const T* from, float* to) {
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) store(load(from + i), to + i);
  for (; i < count; ++i) to[i] = to_float(from[i]);
}

template <class T>
void left_along(std::int64_t count, std::int64_t depth, const T* source, std::int64_t stride, float* left) {
  for (std::int64_t i = 0; i < count; ++i) copy_widened(depth, source + i * stride, left + i * blocked_words);
  pad_left(count, depth, left);
}

template <class T>
void left_across(std::int64_t count, std::int64_t depth, const T* source, std::int64_t stride, float* left) {
  transpose(depth, count, Elements<T>{source, stride}, left, blocked_words);
  pad_left(count, depth, left);
}

template <class T>
void right_along(std::int64_t count, std::int64_t depth, const T* source, std::int64_t stride, float* panels,
                 std::int64_t panel_size) {
  for_each_panel(count, panels, panel_size, [&](std::int64_t first, std::int64_t whole, float* panel) {
    if (whole < tile_cols) fill_zero(panel, panel + depth * tile_cols);
    transpose(whole, depth, Elements<T>{source + first * stride, stride}, panel, tile_cols);
  });
}

template <class T>
void right_across(std::int64_t count, std::int64_t depth, const T* source, std::int64_t stride, float* panels,
                  std::int64_t panel_size) {
  // Whole rows at a time: memory is read in order.
  for (std::int64_t k = 0; k < depth; ++k) {
    for_each_panel(count, panels + k * tile_cols, panel_size,
                   [&](std::int64_t first, std::int64_t whole, float* to) {
                     copy_widened(whole, source + first + k * stride, to);
                     fill_zero(to + whole, to + tile_cols);
                   });
  }
}

}  // namespace

const BlockedProductKernels blocked_product_table = {
    .tile_rows = tile_rows,
    .tile_cols = tile_cols,
    .terms_of_word = FloatWord::terms,
    .f32 = {left_along<float>, left_across<float>, right_along<float>, right_across<float>},
    .bf16 = {left_along<std::uint16_t>, left_across<std::uint16_t>, right_along<std::uint16_t>,
             right_across<std::uint16_t>},
    .multiply_to_f32 = multiply<FloatWord, float>,
    .multiply_to_bf16 = multiply<FloatWord, std::uint16_t>,
};

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
