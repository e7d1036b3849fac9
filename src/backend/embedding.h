#pragma once
#include <cstdint>
#include <span>

#include "backend/context.h"
#include "backend/packed_matrix.h"
#include "core/matrix.h"

namespace cola::ops {

/// How rows of a table are looked up.
struct Lookup {
  float scale = 1.0F;               ///< what rows are multiplied by (Gemma, Granite)
  std::int32_t padding_index = -1;  ///< the row that gets no gradient; -1: none
};

/// y[t] = scale * table[ids[t]] (or y += with Write::add), rounded once: table [V, D], y [T, D], compute
/// dtype. 0 <= ids[t] < V.
void embedding_forward(Context& context, WeightView table, std::span<const std::int32_t> ids, MatrixView y,
                       Write write = Write::replace, const Lookup& lookup = {});

/// dtable[ids[t]] += scale * dy[t], in f32, in the order of t: deterministic.
void embedding_backward(Context& context, ConstMatrixView dy, std::span<const std::int32_t> ids,
                        MatrixView dtable, const Lookup& lookup = {});

/// y[i] = x[rows[i]]: gathers rows, any dtype of x and y that convert() takes.
void gather_rows(Context& context, ConstMatrixView x, std::span<const std::int32_t> rows, MatrixView y);
/// y[rows[i]] = x[i], the sum (in f32, in the order of i) where a row occurs several times; rows do not
/// decrease; the other rows of y are set to zero. x and y in the compute dtype.
void scatter_rows(Context& context, ConstMatrixView x, std::span<const std::int32_t> rows, MatrixView y);

}  // namespace cola::ops
