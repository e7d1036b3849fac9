#include "backend/cpu/lora_tiles.h"

#include <algorithm>
#include <array>
#include <vector>

#include "backend/cpu/kernels/tile_layout.h"
#include "backend/cpu/operands.h"
#include "backend/cpu/work_items.h"
#include "core/parallel.h"

namespace cola::ops {
namespace {

using namespace kernels;  // NOLINT(google-build-using-namespace): the layout's constants, in this file alone

constexpr std::int64_t group_ranks = tile_rows / 2;  // beside each other: what they round to, and the rest
static_assert(thin_rows == panel_tiles * tile_rows);

std::int64_t ranks_of(std::int64_t group, std::int64_t ranks) {
  return std::min(group_ranks, ranks - group * group_ranks);
}

const std::byte* nothing_ahead(const std::uint16_t* operand) {
  return reinterpret_cast<const std::byte*>(operand);
}

/// u^T as left operands whose depth are tokens: [groups][steps][512].
ThinFactor split_transposed(Context& context, ConstMatrixView u, const PackedKernels& kernels) {
  const ThinFactor factor = {nullptr, u.cols, pieces(u.cols, group_ranks), pieces(u.rows, tile_depth)};
  const MatrixView tiles =
      context.scratch("lora transposed tiles", DType::bf16, factor.groups * factor.steps, tile_elements);
  auto* elements = static_cast<std::uint16_t*>(tiles.data);
  parallel_for(tiles.rows, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t index = begin; index < end; ++index) {
      const std::int64_t first_rank = index / factor.steps * group_ranks;
      const std::int64_t first = index % factor.steps * tile_depth;
      const std::int64_t ranks = ranks_of(index / factor.steps, u.cols);
      const std::int64_t tokens = std::min(tile_depth, u.rows - first);
      std::array<float, group_ranks * tile_depth> rows;  // NOLINT: written before it is read
      for (std::int64_t j = 0; j < ranks; ++j) {
        for (std::int64_t i = 0; i < tokens; ++i)
          rows[static_cast<std::size_t>(j * tile_depth + i)] =
              u.as<float>()[(first + i) * u.stride + first_rank + j];
      }
      kernels.operands.split_rows(ranks, tokens, {rows.data(), tile_depth}, elements + index * tile_elements);
    }
  });
  return {elements, factor.ranks, factor.groups, factor.steps};
}

/// Up to 64 columns of `wide` as right operands whose depth are its rows: [steps][4][512]. A tile's columns
/// are in the order of column_of().
void pair_tokens_of(ConstMatrixView wide, const PackedKernels& kernels, std::uint16_t* panel) {
  const Rows<const std::uint16_t> from = rows_of<std::uint16_t>(wide);
  for (std::int64_t row = 0; row < wide.rows; row += tile_depth, panel += panel_step_elements) {
    for (std::int64_t col = 0; col < panel_outputs; col += tile_depth) {
      std::uint16_t* tiles = panel + col / tile_rows * tile_elements;
      const std::int64_t rows = std::min(tile_depth, wide.rows - row);
      const std::int64_t cols = std::min(tile_depth, wide.cols - col);
      if (rows == tile_depth && cols == tile_depth) {
        kernels.operands.pair_far_rows({from[row] + col, from.stride}, tiles, tile_rows);
        continue;
      }
      alignas(64) std::array<std::uint16_t, tile_depth * tile_depth> padded{};
      for (std::int64_t i = 0; i < rows && cols > 0; ++i)
        std::copy_n(from[row + i] + col, cols, padded.data() + i * tile_depth);
      kernels.operands.pair_rows(padded.data(), tiles, tile_rows);
    }
  }
}

/// Which of 64 columns lies in column `lane` of tile `tile` after pair_tokens_of().
std::int64_t column_of(std::int64_t tile, std::int64_t lane) {
  return tile / 2 * tile_depth + lane / 4 * 8 + tile % 2 * 4 + lane % 4;
}

}  // namespace

ThinFactor split_factor(Context& context, const std::string& name, ConstMatrixView thin,
                        const PackedKernels& kernels) {
  const ThinFactor factor = {nullptr, thin.rows, pieces(thin.rows, group_ranks),
                             pieces(thin.cols, tile_depth)};
  const MatrixView tiles =
      context.scratch("lora tiles " + name, DType::bf16, factor.groups * factor.steps, tile_elements);
  auto* elements = static_cast<std::uint16_t*>(tiles.data);
  parallel_for(tiles.rows, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t index = begin; index < end; ++index) {
      const std::int64_t row = index / factor.steps * group_ranks;
      const std::int64_t col = index % factor.steps * tile_depth;
      kernels.operands.split_columns(
          ranks_of(index / factor.steps, thin.rows), std::min(tile_depth, thin.cols - col),
          {thin.as<float>() + row * thin.stride + col, thin.stride}, elements + index * tile_elements);
    }
  });
  return {elements, factor.ranks, factor.groups, factor.steps};
}

std::int64_t thin_panel_elements(std::int64_t cols) { return pieces(cols, tile_depth) * panel_step_elements; }

void pack_thin_rows(ConstMatrixView rows, std::uint16_t* panel, const PackedKernels& kernels) {
  for (std::int64_t tile = 0; tile < panel_tiles; ++tile) {
    const std::int64_t first = std::min(tile * tile_rows, rows.rows);
    const ConstMatrixView part = rows.row_range(first, std::min(first + tile_rows, rows.rows));
    kernels.operands.copy_columns(part.rows, part.cols, rows_of<std::uint16_t>(part),
                                  panel + tile * tile_elements, panel_step_elements);
  }
}

void dot_by_tiles(const std::uint16_t* panel, const ThinFactor& factor, float scale, MatrixView out,
                  const PackedKernels& kernels) {
  alignas(64) std::array<float, micro_sums> sums;  // NOLINT: written before it is read
  for (std::int64_t group = 0; group < factor.groups; ++group) {
    const std::uint16_t* tiles = factor.tiles + group * factor.steps * tile_elements;
    kernels.tiles.outputs_by_tokens({panel, tiles, factor.steps, sums.data(), false, nothing_ahead(panel)});
    for (std::int64_t row = 0; row < out.rows; ++row) {
      const float* both = sums.data() + row * tile_rows;
      float* to = out.as<float>() + row * out.stride + group * group_ranks;
      for (std::int64_t j = 0; j < ranks_of(group, factor.ranks); ++j)
        to[j] = scale * (both[j] + both[group_ranks + j]);
    }
  }
}

void outer_by_tiles(Context& context, ConstMatrixView u, ConstMatrixView wide, float scale, MatrixView out,
                    const PackedKernels& kernels) {
  const ThinFactor factor = split_transposed(context, u, kernels);
  const std::int64_t items = pieces(wide.cols, panel_outputs);
  for_each_item(context, "lora outer", items, std::min<std::int64_t>(items, thread_count()),
                factor.steps * panel_step_elements / 2, [&](std::int64_t item, float* memory) {
                  auto* panel = reinterpret_cast<std::uint16_t*>(memory);
                  const std::int64_t begin = item * panel_outputs;
                  const std::int64_t cols = std::min(panel_outputs, wide.cols - begin);
                  pair_tokens_of(wide.column_range(begin, begin + cols), kernels, panel);
                  alignas(64) std::array<float, micro_sums> sums;  // NOLINT: written before it is read
                  kernels.tiles.begin();
                  for (std::int64_t group = 0; group < factor.groups; ++group) {
                    const std::uint16_t* tiles = factor.tiles + group * factor.steps * tile_elements;
                    kernels.tiles.tokens_by_outputs(
                        {panel, tiles, factor.steps, sums.data(), false, nothing_ahead(panel)});
                    for (std::int64_t j = 0; j < ranks_of(group, factor.ranks); ++j) {
                      float* to = out.as<float>() + (group * group_ranks + j) * out.stride + begin;
                      for (std::int64_t i = 0; i < panel_outputs; ++i) {
                        const std::int64_t tile = i / tile_rows;
                        const std::int64_t lane = i % tile_rows;
                        const float* from = sums.data() + tile * tile_sums + j * tile_rows + lane;
                        if (const std::int64_t col = column_of(tile, lane); col < cols)
                          to[col] += scale * (from[0] + from[group_ranks * tile_rows]);
                      }
                    }
                  }
                  kernels.tiles.end();
                });
}

}  // namespace cola::ops
