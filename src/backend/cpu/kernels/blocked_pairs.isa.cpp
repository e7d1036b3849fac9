#ifdef __AVX512BF16__
#include <immintrin.h>

#include "backend/cpu/kernels/blocked_product_loop.h"
#include "backend/cpu/kernels/transpose.h"

namespace cola::kernels::COLA_ISA_NAMESPACE {
namespace {

// A word is held as a float of its 32 bits: the earlier term's bf16 is the lower half. It is loaded, stored
// and moved, which leaves bits as they are. vdpbf16ps takes subnormals for zero.
struct PairWord {
  static constexpr int terms = 2;
  [[gnu::always_inline]] static Floats add_product(Floats sum, float left, Floats right) {
    return __builtin_bit_cast(Floats, _mm512_dpbf16_ps(__builtin_bit_cast(__m512, sum),
                                                       __builtin_bit_cast(__m512bh, _mm512_set1_ps(left)),
                                                       __builtin_bit_cast(__m512bh, right)));
  }
};

[[gnu::always_inline]] inline float word_of(std::uint16_t earlier, std::uint32_t later) {
  return __builtin_bit_cast(float, later << 16 | earlier);
}

/// Words of rows whose terms are contiguous, as transpose() reads them.
struct PairsAlong {
  const std::uint16_t* data;
  std::int64_t stride;
  [[gnu::always_inline]] Floats vector(std::int64_t row, std::int64_t word) const {
    Floats words;
    __builtin_memcpy(&words, data + row * stride + 2 * word, sizeof words);
    return words;
  }
  [[gnu::always_inline]] float value(std::int64_t row, std::int64_t word) const {
    float one = 0.0F;
    __builtin_memcpy(&one, data + row * stride + 2 * word, sizeof one);
    return one;
  }
};

/// Words of pairs of rows: row `pair` has the terms 2 pair and 2 pair + 1.
struct PairsAcross {
  const std::uint16_t* data;
  std::int64_t stride;
  [[gnu::always_inline]] Floats vector(std::int64_t pair, std::int64_t col) const {
    const std::uint16_t* earlier = data + 2 * pair * stride + col;
    const auto low = __builtin_bit_cast(Words, load(earlier)),
               high = __builtin_bit_cast(Words, load(earlier + stride));
    return __builtin_bit_cast(Floats, high | low >> 16);
  }
  [[gnu::always_inline]] float value(std::int64_t pair, std::int64_t col) const {
    const std::uint16_t* earlier = data + 2 * pair * stride + col;
    return word_of(*earlier, earlier[stride]);
  }
};

std::int64_t words_of(std::int64_t depth) { return (depth + 1) / 2; }

void left_along(std::int64_t count, std::int64_t depth, const std::uint16_t* source, std::int64_t stride,
                float* left) {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint16_t* from = source + i * stride;
    float* to = left + i * blocked_words;
    __builtin_memcpy(to, from, static_cast<std::size_t>(depth / 2) * sizeof(float));
    if (depth % 2 != 0) to[depth / 2] = word_of(from[depth - 1], 0);
  }
  pad_left(count, words_of(depth), left);
}

void left_across(std::int64_t count, std::int64_t depth, const std::uint16_t* source, std::int64_t stride,
                 float* left) {
  transpose(depth / 2, count, PairsAcross{source, stride}, left, blocked_words);
  if (depth % 2 != 0) {
    for (std::int64_t i = 0; i < count; ++i)
      left[i * blocked_words + depth / 2] = word_of(source[(depth - 1) * stride + i], 0);
  }
  pad_left(count, words_of(depth), left);
}

void right_along(std::int64_t count, std::int64_t depth, const std::uint16_t* source, std::int64_t stride,
                 float* panels, std::int64_t panel_size) {
  for_each_panel(count, panels, panel_size, [&](std::int64_t first, std::int64_t whole, float* panel) {
    if (whole < tile_cols) fill_zero(panel, panel + words_of(depth) * tile_cols);
    const std::uint16_t* from = source + first * stride;
    transpose(whole, depth / 2, PairsAlong{from, stride}, panel, tile_cols);
    if (depth % 2 == 0) return;
    for (std::int64_t i = 0; i < whole; ++i)
      panel[depth / 2 * tile_cols + i] = word_of(from[i * stride + depth - 1], 0);
  });
}

void right_across(std::int64_t count, std::int64_t depth, const std::uint16_t* source, std::int64_t stride,
                  float* panels, std::int64_t panel_size) {
  // Whole rows at a time: memory is read in order.
  const PairsAcross pairs = {source, stride};
  for (std::int64_t pair = 0; pair < depth / 2; ++pair) {
    for_each_panel(count, panels + pair * tile_cols, panel_size,
                   [&](std::int64_t first, std::int64_t whole, float* to) {
                     std::int64_t i = 0;
                     for (; i + lanes <= whole; i += lanes) store(pairs.vector(pair, first + i), to + i);
                     for (; i < whole; ++i) to[i] = pairs.value(pair, first + i);
                     fill_zero(to + whole, to + tile_cols);
                   });
  }
  if (depth % 2 == 0) return;
  for_each_panel(count, panels + depth / 2 * tile_cols, panel_size,
                 [&](std::int64_t first, std::int64_t whole, float* to) {
                   for (std::int64_t i = 0; i < whole; ++i)
                     to[i] = word_of(source[(depth - 1) * stride + first + i], 0);
                   fill_zero(to + whole, to + tile_cols);
                 });
}

}  // namespace

const BlockedProductKernels blocked_pairs_table = {
    .tile_rows = tile_rows,
    .tile_cols = tile_cols,
    .terms_of_word = PairWord::terms,
    .f32 = {},
    .bf16 = {left_along, left_across, right_along, right_across},
    .multiply_to_f32 = multiply<PairWord, float>,
    .multiply_to_bf16 = multiply<PairWord, std::uint16_t>,
};

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
#endif
