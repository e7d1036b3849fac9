// multiply() without oneDNN (-DCOLA_ONEDNN=OFF): the thin products' kernel on blocks that a cache holds.
// Slower; for programs that have a GPU to compute on.
#include <algorithm>

#include "backend/cpu/gemm.h"
#include "backend/cpu/kernels/thin_product.h"
#include "backend/cpu_isa.h"
#include "core/parallel.h"

namespace cola::ops {
namespace {

constexpr std::int64_t row_block = 64;
constexpr std::int64_t col_block = 512;
constexpr std::int64_t depth_block = 256;

struct Block {
  std::int64_t row, rows, col, cols;
};

/// A block of op(view), f32, where it lies or transposed into `memory`; `stride` is set to its own.
const float* block_of(ConstMatrixView view, Transpose transpose, const Block& block, float* memory,
                      std::int64_t& stride) {
  stride = view.stride;
  if (transpose == Transpose::no) return view.as<float>() + block.row * view.stride + block.col;
  stride = block.cols;
  for (std::int64_t col = 0; col < block.cols; ++col) {
    const float* source = view.as<float>() + (block.col + col) * view.stride + block.row;
    for (std::int64_t row = 0; row < block.rows; ++row) memory[row * stride + col] = source[row];
  }
  return memory;
}

void put_start(std::span<const float> bias, MatrixView c, const Block& block, Write write) {
  for (std::int64_t row = block.row; row < block.row + block.rows; ++row) {
    float* target = c.as<float>() + row * c.stride;
    for (std::int64_t col = block.col; col < block.col + block.cols; ++col) {
      target[col] = (bias.empty() ? 0.0F : bias[static_cast<std::size_t>(col)]) +
                    (write == Write::add ? target[col] : 0.0F);
    }
  }
}

}  // namespace

void multiply(Context& context, ConstMatrixView a, Transpose transpose_a, ConstMatrixView b,
              Transpose transpose_b, std::span<const float> bias, MatrixView c, Write write) {
  if (a.dtype == DType::bf16)
    return multiply_widened(context, a, transpose_a, b, transpose_b, bias, c, write);
  const std::int64_t depth = transpose_a == Transpose::yes ? a.rows : a.cols;
  context.add_flops(2 * static_cast<std::uint64_t>(c.rows * c.cols) * static_cast<std::uint64_t>(depth));
  const std::int64_t col_blocks = (c.cols + col_block - 1) / col_block;
  const std::int64_t blocks = (c.rows + row_block - 1) / row_block * col_blocks;
  const MatrixView scratch =
      context.scratch("multiply blocks", DType::f32, thread_count(), depth_block * (row_block + col_block));
  const auto& kernel = kernels::thin_product_kernels(cpu_isa());
  parallel_for(
      blocks, (blocks + thread_count() - 1) / thread_count(), [&](std::int64_t begin, std::int64_t end) {
        float* memory = scratch.as<float>() + begin * thread_count() / blocks * scratch.stride;
        for (std::int64_t index = begin; index < end; ++index) {
          Block block = {index / col_blocks * row_block, 0, index % col_blocks * col_block, 0};
          block.rows = std::min(row_block, c.rows - block.row);
          block.cols = std::min(col_block, c.cols - block.col);
          put_start(bias, c, block, write);
          for (std::int64_t k = 0; k < depth; k += depth_block) {
            const std::int64_t part = std::min(depth_block, depth - k);
            std::int64_t a_stride = 0;
            std::int64_t b_stride = 0;
            const float* left = block_of(a, transpose_a, {block.row, block.rows, k, part}, memory, a_stride);
            const float* right = block_of(b, transpose_b, {k, part, block.col, block.cols},
                                          memory + depth_block * row_block, b_stride);
            kernel.expand_f32(block.rows, part, block.cols, left, a_stride, right, b_stride, 1.0F,
                              c.as<float>() + block.row * c.stride + block.col, c.stride);
          }
        }
      });
}

}  // namespace cola::ops
