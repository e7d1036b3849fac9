#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "backend/cuda/kernels/queue.h"
#include "backend/cuda/kernels/rows.h"

// Launchers of backend/embedding.h. Pointers are device memory; indices are in range.
namespace cola::cuda {

/// y[i] = x[indices[i]]: y [rows, cols], indices [rows]. From: float, BFloat16, Float16; To: float, BFloat16.
template <class From, class To>
[[nodiscard]] cudaError_t gather_rows(Queue queue, std::int64_t rows, std::int64_t cols, Rows<const From> x,
                                      const std::int32_t* indices, Rows<To> y);
/// y[i] = or += scale * x[indices[i]]. T is float or BFloat16.
template <class T>
[[nodiscard]] cudaError_t look_up(Queue queue, std::int64_t rows, std::int64_t cols, Rows<const T> x,
                                  const std::int32_t* indices, float scale, bool add, Rows<T> y);

/// y [rows, cols]: y[t] = the sum, in f32 and in the order of i, of x[i] with indices[i] = t; 0 where there
/// is none. x [count, cols], indices [count], not decreasing. T is float or BFloat16.
template <class T>
[[nodiscard]] cudaError_t scatter_rows(Queue queue, std::int64_t count, std::int64_t rows, std::int64_t cols,
                                       Rows<const T> x, const std::int32_t* indices, Rows<T> y);

/// Rows by what they are added to (host memory): group g is rows order[begins[g]] .. order[begins[g + 1] -
/// 1], in their own order, all with id ids[g].
struct RowGroups {
  std::vector<std::int32_t> order;   ///< [T], or fewer
  std::vector<std::int32_t> begins;  ///< [G + 1]
  std::vector<std::int32_t> ids;     ///< [G], increasing
};
/// Rows with the id `left_out` are in no group.
[[nodiscard]] RowGroups group_rows(std::span<const std::int32_t> ids, std::int32_t left_out = -1);

/// dtable[ids[g]] += scale * dy's rows of group g, in their order. The three arrays of RowGroups, on the
/// device.
template <class T>
[[nodiscard]] cudaError_t embedding_backward(Queue queue, std::int64_t groups, std::int64_t cols,
                                             Rows<const T> dy, const std::int32_t* order,
                                             const std::int32_t* begins, const std::int32_t* ids, float scale,
                                             Rows<float> dtable);

}  // namespace cola::cuda
