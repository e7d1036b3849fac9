#include "backend/cpu/kernels/tile_operands.h"

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#include "backend/cpu/kernels/rounding.h"
#include "backend/cpu/kernels/simd.h"
#include "backend/cpu/kernels/tile_layout.h"

namespace cola::kernels::COLA_ISA_NAMESPACE {
namespace {

using Shorts [[gnu::vector_size(vector_bytes)]] = std::uint16_t;

template <class Vector>
[[gnu::always_inline]] inline Vector load_as(const void* source) {
  Vector value;
  __builtin_memcpy(&value, source, sizeof value);
  return value;
}

// --- Shuffles with constant lanes; `lane...` are 0, 1, 2, ... of the vector.
template <int... lane>
struct Lanes {};
#if defined(__AVX512F__)
using WordLanes = Lanes<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>;
using ShortLanes = Lanes<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
                         24, 25, 26, 27, 28, 29, 30, 31>;
#elif defined(__AVX__)
using WordLanes = Lanes<0, 1, 2, 3, 4, 5, 6, 7>;
using ShortLanes = Lanes<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>;
#else
using WordLanes = Lanes<0, 1, 2, 3>;
using ShortLanes = Lanes<0, 1, 2, 3, 4, 5, 6, 7>;
#endif

/// Exchanges the lanes of a with bit `distance` set for those of b without it.
template <int distance, int... lane>
[[gnu::always_inline]] inline void exchange(Words& a, Words& b, Lanes<lane...>) {
  const Words first =
      __builtin_shufflevector(a, b, ((lane & distance) == 0 ? lane : lanes + lane - distance)...);
  b = __builtin_shufflevector(a, b, ((lane & distance) == 0 ? lane + distance : lanes + lane)...);
  a = first;
}

template <int distance>
[[gnu::always_inline]] inline void exchange_all(Words (&rows)[lanes]) {
  if constexpr (distance < lanes) {
#pragma GCC unroll 16
    for (int row = 0; row < lanes; ++row) {
      if ((row & distance) == 0) exchange<distance>(rows[row], rows[row + distance], WordLanes{});
    }
  }
}

/// Rows become columns.
[[gnu::always_inline]] inline void transpose(Words (&rows)[lanes]) {
  exchange_all<8>(rows);
  exchange_all<4>(rows);
  exchange_all<2>(rows);
  exchange_all<1>(rows);
}

/// The low (half = 0) or high four 16-bit elements of each quarter (of 128 bits) of a and b, in turns:
/// punpcklwd and punpckhwd.
template <int half, int... lane>
[[gnu::always_inline]] inline Shorts unpack(Shorts a, Shorts b, Lanes<lane...>) {
  return __builtin_shufflevector(
      a, b, (lane / 8 * 8 + half * 4 + lane % 8 / 2 + (lane % 2 == 0 ? 0 : 2 * lanes))...);
}

// --- Operands.

constexpr std::int64_t pairs = tile_depth / 2;  // 32-bit pairs of bf16 in a tile's row

constexpr std::int64_t block_order(std::int64_t pair) { return place_in_row(2 * pair) / 2; }
constexpr std::int64_t natural_order(std::int64_t pair) { return pair; }

/// Pair `pair` of the columns becomes row place(pair) of the tile.
template <auto place>
void pair_whole_tile(Rows<const std::uint16_t> x, std::uint16_t* tile) {
#pragma GCC unroll 1
  for (std::int64_t token = 0; token < tile_rows; token += lanes) {
#pragma GCC unroll 1
    for (std::int64_t pair = 0; pair < pairs; pair += lanes) {
      Words rows[lanes];
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) rows[i] = load_as<Words>(x[token + i] + 2 * pair);
      transpose(rows);
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) {
        __builtin_memcpy(tile + place(pair + i) * tile_depth + 2 * token, &rows[i], sizeof rows[i]);
      }
    }
  }
}

void copy_whole_tile(Rows<const std::uint16_t> dy, std::uint16_t* tile) {
  for (std::int64_t token = 0; token < tile_rows; ++token)
    __builtin_memcpy(tile + token * tile_depth, dy[token], tile_depth * sizeof(std::uint16_t));
}

/// Calls body(x, tile) for each tile's 16 rows and 32 columns of x: in place, or from a copy padded with
/// zeros.
template <class Body>
void for_each_tile(std::int64_t tokens, std::int64_t cols, Rows<const std::uint16_t> x, std::uint16_t* tiles,
                   std::int64_t tile_stride, const Body& body) {
  for (std::int64_t col = 0; col < cols; col += tile_depth, tiles += tile_stride) {
    const std::int64_t width = cols - col < tile_depth ? cols - col : tile_depth;
    if (tokens == tile_rows && width == tile_depth) {
      body(Rows<const std::uint16_t>{x.data + col, x.stride}, tiles);
      continue;
    }
    std::uint16_t padded[tile_elements] = {};
    for (std::int64_t token = 0; token < tokens; ++token) {
      for (std::int64_t i = 0; i < width; ++i) padded[token * tile_depth + i] = x[token][col + i];
    }
    body(Rows<const std::uint16_t>{padded, tile_depth}, tiles);
  }
}

constexpr std::int64_t few_tokens = 2;  // as in generation: transposing would move zeros

/// Pair by pair, of few tokens.
void scatter_pairs(std::int64_t tokens, std::int64_t cols, Rows<const std::uint16_t> x, std::uint16_t* tiles,
                   std::int64_t tile_stride) {
  for (std::int64_t col = 0; col < cols; col += tile_depth, tiles += tile_stride) {
    const std::int64_t width = cols - col < tile_depth ? cols - col : tile_depth;
    for (std::int64_t i = 0; i < tile_elements; ++i) tiles[i] = 0;
    for (std::int64_t token = 0; token < tokens; ++token) {
      const std::uint16_t* from = x[token] + col;
      for (std::int64_t i = 0; i < width; ++i)
        tiles[block_order(i / 2) * tile_depth + 2 * token + i % 2] = from[i];
    }
  }
}

void pair_columns(std::int64_t tokens, std::int64_t cols, Rows<const std::uint16_t> x, std::uint16_t* tiles,
                  std::int64_t tile_stride) {
  if (tokens <= few_tokens) return scatter_pairs(tokens, cols, x, tiles, tile_stride);
  for_each_tile(tokens, cols, x, tiles, tile_stride, pair_whole_tile<block_order>);
}
void copy_columns(std::int64_t tokens, std::int64_t cols, Rows<const std::uint16_t> dy, std::uint16_t* tiles,
                  std::int64_t tile_stride) {
  for_each_tile(tokens, cols, dy, tiles, tile_stride, copy_whole_tile);
}

[[gnu::always_inline]] inline void pair(Rows<const std::uint16_t> rows, std::uint16_t* tiles,
                                        std::int64_t count) {
  for (std::int64_t pair = 0; pair < count; ++pair) {
    const std::uint16_t* first = rows[2 * pair];
    std::uint16_t* target = tiles + pair * tile_depth;
#pragma GCC unroll 4
    for (std::int64_t part = 0; part < block_cols; part += 2 * lanes) {
      const auto a = load_as<Shorts>(first + part);
      const auto b = load_as<Shorts>(first + rows.stride + part);
      const Shorts low = unpack<0>(a, b, ShortLanes{});
      const Shorts high = unpack<1>(a, b, ShortLanes{});
      __builtin_memcpy(target + part, &low, sizeof low);
      __builtin_memcpy(target + tile_elements + part, &high, sizeof high);
    }
  }
}

void pair_rows(const std::uint16_t* rows, std::uint16_t* tiles, std::int64_t count) {
  pair({rows, block_cols}, tiles, count);
}
void pair_far_rows(Rows<const std::uint16_t> rows, std::uint16_t* tiles, std::int64_t count) {
  pair(rows, tiles, count);
}

void split_rows(std::int64_t ranks, std::int64_t cols, Rows<const float> a, std::uint16_t* tile) {
  constexpr std::int64_t rest = tile_rows / 2 * tile_depth;
  for (std::int64_t i = 0; i < tile_elements; ++i) tile[i] = 0;
  for (std::int64_t j = 0; j < ranks; ++j, tile += tile_depth) {
    float values[tile_depth] = {};
    __builtin_memcpy(values, a[j], static_cast<std::size_t>(cols) * sizeof(float));
#pragma GCC unroll 4
    for (std::int64_t col = 0; col < tile_depth; col += 2 * lanes) {
      const Floats low = load(values + col);
      const Floats high = load(values + col + lanes);
      store_as(low, high, tile + col);
      store_as(low - load(tile + col), high - load(tile + col + lanes), tile + rest + col);
    }
  }
}
void split_columns(std::int64_t ranks, std::int64_t cols, Rows<const float> a, std::uint16_t* tile) {
  alignas(64) std::uint16_t rows[tile_elements];
  split_rows(ranks, cols, a, rows);
  pair_whole_tile<natural_order>({rows, tile_depth}, tile);
}

// --- Results.

/// Calls whole(result), through a copy of y's part where it is not 16 x 32.
template <class T, class Whole>
[[gnu::always_inline]] inline void write_part(const TileResult<T>& result, const Whole& whole) {
  if (result.tokens == tile_rows && result.outputs == block_rows) return whole(result);
  T y[tile_rows * block_rows] = {};
  float bias[block_rows] = {};
  for (std::int64_t i = 0; result.bias != nullptr && i < result.outputs; ++i) bias[i] = result.bias[i];
  for (std::int64_t token = 0; token < result.tokens; ++token) {
    for (std::int64_t i = 0; i < result.outputs; ++i) y[token * block_rows + i] = result.y[token][i];
  }
  whole(TileResult<T>{result.sums, bias, {y, block_rows}, tile_rows, block_rows, result.add, false});
  for (std::int64_t token = 0; token < result.tokens; ++token) {
    for (std::int64_t i = 0; i < result.outputs; ++i) result.y[token][i] = y[token * block_rows + i];
  }
}

/// Stores a whole vector, past the caches if asked to.
template <class Vector>
[[gnu::always_inline]] inline void put(Vector value, void* to, [[maybe_unused]] bool past_caches) {
#ifdef __AVX512F__
  if (past_caches && reinterpret_cast<std::uintptr_t>(to) % sizeof value == 0)
    return _mm512_stream_si512(static_cast<__m512i*>(to), __builtin_bit_cast(__m512i, value));
#endif
  __builtin_memcpy(to, &value, sizeof value);
}

/// y = bf16 of the sums: output by output, two are rounded into one word, before words change places.
void replace_by_pairs(const TileResult<std::uint16_t>& result) {
#pragma GCC unroll 1
  for (std::int64_t token = 0; token < tile_rows; token += lanes) {
#pragma GCC unroll 1
    for (std::int64_t output = 0; output < block_rows; output += 2 * lanes) {
      Words rows[lanes];
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) {
        const float* sums = result.sums + (output + 2 * i) * tile_rows + token;
        Floats low = load(sums);
        Floats high = load(sums + tile_rows);
        if (result.bias != nullptr) {
          low += result.bias[output + 2 * i];
          high += result.bias[output + 2 * i + 1];
        }
        rows[i] = rounded_pair(low, high);
      }
      transpose(rows);
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) put(rows[i], result.y[token + i] + output, result.past_caches);
    }
  }
}

/// y = or y += two vectors of sums plus bias.
template <class T>
[[gnu::always_inline]] inline void write_vectors(const TileResult<T>& result, Floats low, Floats high,
                                                 std::int64_t token, std::int64_t output) {
  if (result.bias != nullptr) {
    low += load(result.bias + output);
    high += load(result.bias + output + lanes);
  }
  T* target = result.y[token] + output;
  if (result.add) {
    low += load(target);
    high += load(target + lanes);
  }
  if constexpr (sizeof(T) == sizeof(float)) {
    put(low, target, result.past_caches);
    put(high, target + lanes, result.past_caches);
  } else {
    put(rounded_row(low, high), target, result.past_caches);
  }
}

template <class T>
void write_transposed(const TileResult<T>& result) {
#pragma GCC unroll 1
  for (std::int64_t token = 0; token < tile_rows; token += lanes) {
#pragma GCC unroll 1
    for (std::int64_t output = 0; output < block_rows; output += 2 * lanes) {
      Words low[lanes];
      Words high[lanes];
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) low[i] = load_as<Words>(result.sums + (output + i) * tile_rows + token);
      transpose(low);
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i)
        high[i] = load_as<Words>(result.sums + (output + lanes + i) * tile_rows + token);
      transpose(high);
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) {
        write_vectors(result, __builtin_bit_cast(Floats, low[i]), __builtin_bit_cast(Floats, high[i]),
                      token + i, output);
      }
    }
  }
}

/// Row by row: rows of y are often a power of two apart and would evict each other from the cache.
template <class T>
void write_in_order(const TileResult<T>& result) {
  const auto sums_of = [&](std::int64_t token, std::int64_t output) __attribute__((always_inline)) {
    return load(result.sums + output / tile_rows * tile_sums + token * tile_rows + output % tile_rows);
  };
  for (std::int64_t token = 0; token < tile_rows; ++token) {
#pragma GCC unroll 4
    for (std::int64_t output = 0; output < block_rows; output += 2 * lanes)
      write_vectors(result, sums_of(token, output), sums_of(token, output + lanes), token, output);
  }
}

/// Of one or two tokens, as in generation.
template <class T>
void write_few(const TileResult<T>& result) {
  for (std::int64_t token = 0; token < result.tokens; ++token) {
    T* y = result.y[token];
    for (std::int64_t i = 0; i < result.outputs; ++i) {
      float value = result.sums[i * tile_rows + token];
      if (result.bias != nullptr) value += result.bias[i];
      if (result.add) value += to_float(y[i]);
      store_float(value, y + i);
    }
  }
}

void write_outputs_by_tokens_f32(const TileResult<float>& result) {
  if (result.tokens <= few_tokens) return write_few(result);
  write_part(result, write_transposed<float>);
}
void write_outputs_by_tokens_bf16(const TileResult<std::uint16_t>& result) {
  if (result.tokens <= few_tokens) return write_few(result);
  write_part(result, result.add ? write_transposed<std::uint16_t> : replace_by_pairs);
}
void write_tokens_by_outputs_f32(const TileResult<float>& result) {
  write_part(result, write_in_order<float>);
}
void write_tokens_by_outputs_bf16(const TileResult<std::uint16_t>& result) {
  write_part(result, write_in_order<std::uint16_t>);
}

}  // namespace

const TileOperandKernels tile_operands = {
    pair_columns,
    copy_columns,
    pair_rows,
    pair_far_rows,
    split_rows,
    split_columns,
    write_outputs_by_tokens_f32,
    write_outputs_by_tokens_bf16,
    write_tokens_by_outputs_f32,
    write_tokens_by_outputs_bf16,
};

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
