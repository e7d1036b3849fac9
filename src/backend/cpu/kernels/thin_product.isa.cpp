#include "backend/cpu/kernels/thin_product.h"

#include <type_traits>

#include "backend/cpu/kernels/rounding.h"
#include "backend/cpu/kernels/simd.h"

namespace cola::kernels::COLA_ISA_NAMESPACE {
namespace {

// Rows x rank (dot) or rows x vectors (expand, outer) of accumulators that fit the registers beside the
// operands.
constexpr int tile = 4;

/// The first `count` < lanes elements; the rest are zero.
template <class T>
Floats load_part(const T* source, std::int64_t count) {
  T element[lanes] = {};
  for (std::int64_t i = 0; i < count; ++i) element[i] = source[i];
  return load(element);
}

template <class T>
void store_part(Floats value, T* destination, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) store_float(value[i], destination + i);
}

/// With Ahead the next Rows rows of x are brought near (past the last: nothing is read, a prefetch never
/// faults): a processor's own prefetching ends with a page, and a row of a weight is often one page.
template <int Rows, int Ranks, bool Ahead, class Wide>
void dot_tile(std::int64_t cols, const Wide* x, std::int64_t x_stride, const float* a, std::int64_t a_stride,
              float scale, float* out, std::int64_t row_stride, std::int64_t col_stride) {
  Floats sums[Rows][Ranks] = {};
  const auto step = [&](auto load_x, auto load_a, std::int64_t k) {
    Floats wide[Rows];
    for (int row = 0; row < Rows; ++row) {
      const Wide* here = x + row * x_stride + k;
      wide[row] = load_x(here);
      if constexpr (Ahead) __builtin_prefetch(here + Rows * x_stride, 0, 3);
    }
    for (int j = 0; j < Ranks; ++j) {
      const Floats thin = load_a(a + j * a_stride + k);
      for (int row = 0; row < Rows; ++row) sums[row][j] += wide[row] * thin;
    }
  };
  std::int64_t k = 0;
  for (; k + lanes <= cols; k += lanes) {
    step([](const Wide* p) { return load(p); }, [](const float* p) { return load(p); }, k);
  }
  if (const std::int64_t rest = cols - k; rest > 0) {
    step([rest](const Wide* p) { return load_part(p, rest); },
         [rest](const float* p) { return load_part(p, rest); }, k);
  }
  for (int row = 0; row < Rows; ++row) {
    for (int j = 0; j < Ranks; ++j) out[row * row_stride + j * col_stride] = scale * sum_of(sums[row][j]);
  }
}

template <int Rows, class Wide>
void dot_rows(std::int64_t rank, std::int64_t cols, const Wide* x, std::int64_t x_stride, const float* a,
              std::int64_t a_stride, float scale, float* out, std::int64_t row_stride,
              std::int64_t col_stride) {
  const auto run = [&](auto ranks, auto ahead, std::int64_t j) {
    dot_tile<Rows, ranks(), ahead()>(cols, x, x_stride, a + j * a_stride, a_stride, scale,
                                     out + j * col_stride, row_stride, col_stride);
  };
  using Whole = std::integral_constant<int, tile>;
  using One = std::integral_constant<int, 1>;
  using Yes = std::true_type;  // later ranks find x in the cache
  using No = std::false_type;
  std::int64_t j = 0;
  for (; j + tile <= rank; j += tile) j == 0 ? run(Whole(), Yes(), j) : run(Whole(), No(), j);
  for (; j < rank; ++j) j == 0 ? run(One(), Yes(), j) : run(One(), No(), j);
}

template <class Wide>
void dot(std::int64_t rows, std::int64_t rank, std::int64_t cols, const Wide* x, std::int64_t x_stride,
         const float* a, std::int64_t a_stride, float scale, float* out, std::int64_t row_stride,
         std::int64_t col_stride) {
  std::int64_t row = 0;
  for (; row + tile <= rows; row += tile) {
    dot_rows<tile>(rank, cols, x + row * x_stride, x_stride, a, a_stride, scale, out + row * row_stride,
                   row_stride, col_stride);
  }
  for (; row < rows; ++row) {
    dot_rows<1>(rank, cols, x + row * x_stride, x_stride, a, a_stride, scale, out + row * row_stride,
                row_stride, col_stride);
  }
}

/// `Rows` rows of `Vectors` vectors of columns, or of the first `part` elements of one vector where part > 0.
template <int Rows, int Vectors, class Wide>
void expand_tile(std::int64_t rank, const float* u, std::int64_t u_stride, const float* b,
                 std::int64_t b_stride, float scale, Wide* y, std::int64_t y_stride, std::int64_t part) {
  Floats sums[Rows][Vectors] = {};
  for (std::int64_t j = 0; j < rank; ++j) {
    Floats thin[Vectors];
    for (int v = 0; v < Vectors; ++v) {
      const float* source = b + j * b_stride + v * lanes;
      thin[v] = part > 0 ? load_part(source, part) : load(source);
    }
    for (int row = 0; row < Rows; ++row) {
      const float factor = u[row * u_stride + j];
      for (int v = 0; v < Vectors; ++v) sums[row][v] += factor * thin[v];
    }
  }
  for (int row = 0; row < Rows; ++row) {
    for (int v = 0; v < Vectors; ++v) {
      Wide* target = y + row * y_stride + v * lanes;
      if (part > 0) {
        store_part(load_part(target, part) + scale * sums[row][v], target, part);
      } else {
        store_as(load(target) + scale * sums[row][v], target);
      }
    }
  }
}

template <int Rows, class Wide>
void expand_rows(std::int64_t rank, std::int64_t cols, const float* u, std::int64_t u_stride, const float* b,
                 std::int64_t b_stride, float scale, Wide* y, std::int64_t y_stride) {
  std::int64_t col = 0;
  for (; col + tile * lanes <= cols; col += tile * lanes) {
    expand_tile<Rows, tile>(rank, u, u_stride, b + col, b_stride, scale, y + col, y_stride, 0);
  }
  for (; col + lanes <= cols; col += lanes) {
    expand_tile<Rows, 1>(rank, u, u_stride, b + col, b_stride, scale, y + col, y_stride, 0);
  }
  if (col < cols)
    expand_tile<Rows, 1>(rank, u, u_stride, b + col, b_stride, scale, y + col, y_stride, cols - col);
}

template <class Wide>
void expand(std::int64_t rows, std::int64_t rank, std::int64_t cols, const float* u, std::int64_t u_stride,
            const float* b, std::int64_t b_stride, float scale, Wide* y, std::int64_t y_stride) {
  std::int64_t row = 0;
  for (; row + tile <= rows; row += tile) {
    expand_rows<tile>(rank, cols, u + row * u_stride, u_stride, b, b_stride, scale, y + row * y_stride,
                      y_stride);
  }
  for (; row < rows; ++row) {
    expand_rows<1>(rank, cols, u + row * u_stride, u_stride, b, b_stride, scale, y + row * y_stride,
                   y_stride);
  }
}

template <int Ranks, int Vectors, class Wide>
void outer_tile(std::int64_t rows, const float* u, std::int64_t u_stride, const Wide* x,
                std::int64_t x_stride, float scale, float* out, std::int64_t out_stride, std::int64_t part) {
  Floats sums[Ranks][Vectors] = {};
  for (std::int64_t row = 0; row < rows; ++row) {
    Floats wide[Vectors];
    for (int v = 0; v < Vectors; ++v) {
      const Wide* source = x + row * x_stride + v * lanes;
      wide[v] = part > 0 ? load_part(source, part) : load(source);
    }
    for (int j = 0; j < Ranks; ++j) {
      const float factor = u[row * u_stride + j];
      for (int v = 0; v < Vectors; ++v) sums[j][v] += factor * wide[v];
    }
  }
  for (int j = 0; j < Ranks; ++j) {
    for (int v = 0; v < Vectors; ++v) {
      float* target = out + j * out_stride + v * lanes;
      if (part > 0) {
        store_part(load_part(target, part) + scale * sums[j][v], target, part);
      } else {
        store_as(load(target) + scale * sums[j][v], target);
      }
    }
  }
}

template <int Ranks, class Wide>
void outer_ranks(std::int64_t rows, std::int64_t cols, const float* u, std::int64_t u_stride, const Wide* x,
                 std::int64_t x_stride, float scale, float* out, std::int64_t out_stride) {
  std::int64_t col = 0;
  for (; col + tile * lanes <= cols; col += tile * lanes) {
    outer_tile<Ranks, tile>(rows, u, u_stride, x + col, x_stride, scale, out + col, out_stride, 0);
  }
  for (; col + lanes <= cols; col += lanes) {
    outer_tile<Ranks, 1>(rows, u, u_stride, x + col, x_stride, scale, out + col, out_stride, 0);
  }
  if (col < cols)
    outer_tile<Ranks, 1>(rows, u, u_stride, x + col, x_stride, scale, out + col, out_stride, cols - col);
}

template <class Wide>
void outer(std::int64_t rows, std::int64_t rank, std::int64_t cols, const float* u, std::int64_t u_stride,
           const Wide* x, std::int64_t x_stride, float scale, float* out, std::int64_t out_stride) {
  // Short blocks of rows keep x in the cache between the tiles of rank, and the f32 sums short.
  constexpr std::int64_t block = 128;
  for (std::int64_t row = 0; row < rows; row += block) {
    const std::int64_t count = rows - row < block ? rows - row : block;
    const float* thin = u + row * u_stride;
    const Wide* wide = x + row * x_stride;
    std::int64_t j = 0;
    for (; j + tile <= rank; j += tile) {
      outer_ranks<tile>(count, cols, thin + j, u_stride, wide, x_stride, scale, out + j * out_stride,
                        out_stride);
    }
    for (; j < rank; ++j) {
      outer_ranks<1>(count, cols, thin + j, u_stride, wide, x_stride, scale, out + j * out_stride,
                     out_stride);
    }
  }
}

}  // namespace

const ThinProductKernels thin_product_table = {
    dot<float>, dot<std::uint16_t>, expand<float>, expand<std::uint16_t>, outer<float>, outer<std::uint16_t>,
};

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
