#pragma once
#include <cstddef>
#include <vector>

#include "backend/ref/linear.h"

// Slow, obvious versions of backend/lora.h on any number type; matrices are dense, row-major vectors.
namespace cola::ref {

struct LoraSizes {
  std::size_t rows, in, out, rank;  ///< T, K, N, r
};

template <class Number>
struct LoraForward {
  std::vector<Number> u;        ///< [T, r] = x A^T
  std::vector<Number> added_y;  ///< [T, N] = scale u B^T
};

template <class Number>
LoraForward<Number> lora_forward(const LoraSizes& size, const std::vector<Number>& x,
                                 const std::vector<Number>& a, const std::vector<Number>& b, double scale) {
  LoraForward<Number> result;
  result.u = linear_forward(x, a, {}, size.rows, size.rank, size.in);
  result.added_y = linear_forward(result.u, b, {}, size.rows, size.out, size.rank);
  for (Number& value : result.added_y) value *= scale;
  return result;
}

template <class Number>
struct LoraBackward {
  std::vector<Number> du;        ///< [T, r] = scale dy B
  std::vector<Number> da;        ///< [r, K] = du^T x
  std::vector<Number> db;        ///< [N, r] = scale dy^T u
  std::vector<Number> added_dx;  ///< [T, K] = du A
};

template <class Number>
LoraBackward<Number> lora_backward(const LoraSizes& size, const std::vector<Number>& dy,
                                   const std::vector<Number>& x, const std::vector<Number>& u,
                                   const std::vector<Number>& a, const std::vector<Number>& b, double scale) {
  LoraBackward<Number> result;
  result.du = linear_backward_input(dy, b, size.rows, size.out, size.rank);
  for (Number& value : result.du) value *= scale;
  result.db = linear_backward_weight(dy, u, size.rows, size.out, size.rank);
  for (Number& value : result.db) value *= scale;
  result.da = linear_backward_weight(result.du, x, size.rows, size.rank, size.in);
  result.added_dx = linear_backward_input(result.du, a, size.rows, size.rank, size.in);
  return result;
}

/// [N, K] = scale B A.
template <class Number>
std::vector<Number> lora_delta(const LoraSizes& size, const std::vector<Number>& a,
                               const std::vector<Number>& b, double scale) {
  std::vector<Number> delta = linear_backward_input(b, a, size.out, size.rank, size.in);
  for (Number& value : delta) value *= scale;
  return delta;
}

}  // namespace cola::ref
