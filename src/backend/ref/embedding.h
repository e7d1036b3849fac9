#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

// Slow, obvious versions of backend/embedding.h on any number type; matrices are dense, row-major vectors.
namespace cola::ref {

/// y [T, D]: row t is scale times row ids[t] of table [V, D].
template <class Number>
std::vector<Number> embedding_forward(const std::vector<Number>& table, const std::vector<std::int32_t>& ids,
                                      std::size_t cols, double scale = 1.0) {
  std::vector<Number> y;
  for (const std::int32_t id : ids) {
    for (std::size_t col = 0; col < cols; ++col)
      y.push_back(scale * table[static_cast<std::size_t>(id) * cols + col]);
  }
  return y;
}

/// dtable [V, D]: row v is the sum of scale times the rows t of dy with ids[t] = v; row padding_index is 0.
template <class Number>
std::vector<Number> embedding_backward(const std::vector<Number>& dy, const std::vector<std::int32_t>& ids,
                                       std::size_t vocabulary, std::size_t cols, double scale = 1.0,
                                       std::int32_t padding_index = -1) {
  std::vector<Number> dtable(vocabulary * cols);
  for (std::size_t t = 0; t < ids.size(); ++t) {
    if (ids[t] == padding_index) continue;
    for (std::size_t col = 0; col < cols; ++col) {
      dtable[static_cast<std::size_t>(ids[t]) * cols + col] += scale * dy[t * cols + col];
    }
  }
  return dtable;
}

/// y [T, D]: row t is the sum of the rows i of x [L, D] with rows[i] = t.
template <class Number>
std::vector<Number> scatter_rows(const std::vector<Number>& x, const std::vector<std::int32_t>& rows,
                                 std::size_t tokens, std::size_t cols) {
  return embedding_backward(x, rows, tokens, cols);
}

}  // namespace cola::ref
