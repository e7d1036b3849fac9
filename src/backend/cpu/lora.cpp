#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "backend/cpu/kernels/thin_product.h"
#include "backend/cpu/lora_tiles.h"
#include "backend/cpu/operands.h"
#include "backend/cpu/ops.h"
#include "backend/cpu/work_items.h"
#include "backend/cpu_isa.h"
#include "core/parallel.h"

namespace cola::ops::cpu {
namespace {

// Slices below these are not worth a thread.
constexpr std::int64_t row_grain = 16;
constexpr std::int64_t col_grain = 64;

void count(Context& context, std::int64_t m, std::int64_t n, std::int64_t k) {
  context.add_flops(2 * static_cast<std::uint64_t>(m) * static_cast<std::uint64_t>(n) *
                    static_cast<std::uint64_t>(k));
}

/// Calls body(begin, end, panel) on blocks of rows of `wide`, which lie in `panel` as dot_by_tiles() takes
/// them.
template <class Body>
void for_tiled_rows(Context& context, ConstMatrixView wide, const Body& body) {
  const std::int64_t blocks = pieces(wide.rows, thin_rows);
  const PackedKernels kernels = packed_kernels();
  for_each_item(context, "lora rows", blocks, std::min<std::int64_t>(blocks, thread_count()),
                thin_panel_elements(wide.cols) / 2, [&](std::int64_t block, float* memory) {
                  auto* panel = reinterpret_cast<std::uint16_t*>(memory);
                  const std::int64_t begin = block * thin_rows;
                  const std::int64_t end = std::min(begin + thin_rows, wide.rows);
                  pack_thin_rows(wide.row_range(begin, end), panel, kernels);
                  kernels.tiles.begin();
                  body(begin, end, panel);
                  kernels.tiles.end();
                });
}

/// Calls body(begin, end) on blocks of rows: few enough that what one product has read is still in a cache
/// when the next reads it.
template <class Body>
void for_row_blocks(std::int64_t rows, const Body& body) {
  constexpr std::int64_t block = 64;
  parallel_for(rows, row_grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; row += block) body(row, std::min(row + block, end));
  });
}

/// out [T, r] = scale wide [T, C] thin^T, thin [r, C].
void dot(ConstMatrixView wide, ConstMatrixView thin, float scale, MatrixView out) {
  const kernels::ThinProductKernels& kernel = kernels::thin_product_kernels(cpu_isa());
  const auto run = [&](auto function, const auto* data) {
    function(wide.rows, thin.rows, wide.cols, data, wide.stride, thin.as<float>(), thin.stride, scale,
             out.as<float>(), out.stride, 1);
  };
  if (wide.dtype == DType::bf16) {
    run(kernel.dot_bf16, static_cast<const std::uint16_t*>(wide.data));
  } else {
    run(kernel.dot_f32, wide.as<float>());
  }
}

/// wide [T, C] += scale u [T, r] thin, thin [r, C].
void expand(ConstMatrixView u, ConstMatrixView thin, float scale, MatrixView wide) {
  const kernels::ThinProductKernels& kernel = kernels::thin_product_kernels(cpu_isa());
  const auto run = [&](auto function, auto* data) {
    function(wide.rows, thin.rows, wide.cols, u.as<float>(), u.stride, thin.as<float>(), thin.stride, scale,
             data, wide.stride);
  };
  if (wide.dtype == DType::bf16) {
    run(kernel.expand_bf16, static_cast<std::uint16_t*>(wide.data));
  } else {
    run(kernel.expand_f32, wide.as<float>());
  }
}

/// out [r, C] += scale u^T wide: threads share the columns, so that the order of each sum is the rows'.
void outer(Context& context, ConstMatrixView u, ConstMatrixView wide, float scale, MatrixView out) {
  count(context, wide.rows, wide.cols, out.rows);
  if (prefers_packed(wide.dtype)) return outer_by_tiles(context, u, wide, scale, out);
  const kernels::ThinProductKernels& kernel = kernels::thin_product_kernels(cpu_isa());
  parallel_for(wide.cols, col_grain, [&](std::int64_t begin, std::int64_t end) {
    const auto run = [&](auto function, const auto* data) {
      function(wide.rows, out.rows, end - begin, u.as<float>(), u.stride, data + begin, wide.stride, scale,
               out.as<float>() + begin, out.stride);
    };
    if (wide.dtype == DType::bf16) {
      run(kernel.outer_bf16, static_cast<const std::uint16_t*>(wide.data));
    } else {
      run(kernel.outer_f32, wide.as<float>());
    }
  });
}

/// B^T [r, N] of branch `index` of a call: the kernels run along the long dimension.
ConstMatrixView transposed(Context& context, ConstMatrixView b, std::size_t index) {
  const MatrixView result =
      context.scratch("lora b transposed " + std::to_string(index), DType::f32, b.cols, b.rows);
  parallel_for(b.rows, 256, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t j = 0; j < b.cols; ++j) {
      float* row = result.as<float>() + j * result.stride;
      for (std::int64_t n = begin; n < end; ++n) row[n] = b.as<float>()[n * b.stride + j];
    }
  });
  return result;
}

void add_transposed(ConstMatrixView source, MatrixView destination) {
  parallel_for(destination.rows, 256, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) {
      float* row = destination.as<float>() + n * destination.stride;
      for (std::int64_t j = 0; j < destination.cols; ++j) row[j] += source.as<float>()[j * source.stride + n];
    }
  });
}

}  // namespace

void lora_forward(Context& context, ConstMatrixView x, std::span<const LoraForward> branches) {
  std::vector<ConstMatrixView> b;
  for (const LoraForward& branch : branches) {
    count(context, x.rows, branch.a.rows, x.cols + branch.y.cols);
    b.push_back(branch.y.empty() ? ConstMatrixView() : transposed(context, branch.b, b.size()));
  }
  if (prefers_packed(x.dtype)) {
    std::vector<ThinFactor> a;
    for (const LoraForward& branch : branches)
      a.push_back(split_factor(context, std::to_string(a.size()), branch.a));
    for_tiled_rows(context, x, [&](std::int64_t begin, std::int64_t end, const std::uint16_t* panel) {
      for (std::size_t i = 0; i < branches.size(); ++i) {
        const MatrixView u_rows = branches[i].u.row_range(begin, end);
        dot_by_tiles(panel, a[i], 1.0F, u_rows);
        if (!branches[i].y.empty())
          expand(u_rows, b[i], branches[i].scale, branches[i].y.row_range(begin, end));
      }
    });
    return;
  }
  for_row_blocks(x.rows, [&](std::int64_t begin, std::int64_t end) {
    for (std::size_t i = 0; i < branches.size(); ++i) {
      const auto& [a, plain_b, scale, u, y] = branches[i];
      const MatrixView u_rows = u.row_range(begin, end);
      dot(x.row_range(begin, end), a, 1.0F, u_rows);
      if (!y.empty()) expand(u_rows, b[i], scale, y.row_range(begin, end));
    }
  });
}

void lora_backward_b(Context& context, std::span<const LoraBackwardB> branches) {
  for (const auto& [dy, u, b, scale, du, db] : branches) {
    count(context, dy.rows, dy.cols, b.cols);
    const ConstMatrixView bt = transposed(context, b, 0);
    if (prefers_packed(dy.dtype)) {
      const ThinFactor factor = split_factor(context, "b", bt);
      for_tiled_rows(context, dy, [&](std::int64_t begin, std::int64_t end, const std::uint16_t* panel) {
        dot_by_tiles(panel, factor, scale, du.row_range(begin, end));
      });
    } else {
      for_row_blocks(dy.rows, [&](std::int64_t begin, std::int64_t end) {
        dot(dy.row_range(begin, end), bt, scale, du.row_range(begin, end));
      });
    }
    if (db.empty()) continue;
    const MatrixView sums = context.scratch("lora db transposed", DType::f32, b.cols, b.rows);
    std::memset(sums.data, 0, static_cast<std::size_t>(sums.rows * sums.cols) * sizeof(float));
    outer(context, u, dy, scale, sums);
    add_transposed(sums, db);
  }
}

void lora_backward_a(Context& context, ConstMatrixView x, std::span<const LoraBackwardA> branches,
                     MatrixView dx) {
  for (const LoraBackwardA& branch : branches) {
    if (!branch.da.empty()) outer(context, branch.du, x, 1.0F, branch.da);
    count(context, dx.rows, dx.cols, branch.du.cols);
  }
  if (dx.empty()) return;
  for_row_blocks(dx.rows, [&](std::int64_t begin, std::int64_t end) {
    for (const LoraBackwardA& branch : branches)
      expand(branch.du.row_range(begin, end), branch.a, 1.0F, dx.row_range(begin, end));
  });
}

void lora_delta(Context& context, ConstMatrixView a, ConstMatrixView b, float scale, MatrixView delta) {
  count(context, delta.rows, delta.cols, a.rows);
  for_row_blocks(delta.rows, [&](std::int64_t begin, std::int64_t end) {
    expand(b.row_range(begin, end), a, scale, delta.row_range(begin, end));
  });
}

}  // namespace cola::ops::cpu
