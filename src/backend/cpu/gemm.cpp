#include "backend/cpu/gemm.h"

#include <omp.h>
#include <dnnl.hpp>

#include <algorithm>
#include <stdexcept>
#include <unordered_map>

#include "backend/cpu_isa.h"
#include "core/parallel.h"

namespace cola::ops {
namespace {

using dnnl::memory;

dnnl::cpu_isa dnnl_isa(CpuIsa isa) {
  switch (isa) {
    case CpuIsa::baseline:
      return dnnl::cpu_isa::sse41;
    case CpuIsa::avx2:
      return dnnl::cpu_isa::avx2;
    case CpuIsa::avx512:
      return dnnl::cpu_isa::avx512_core;
    case CpuIsa::avx512_bf16:
      return dnnl::cpu_isa::avx512_core_bf16;
    case CpuIsa::amx:
      break;
  }
  return dnnl::cpu_isa::avx512_core_amx;
}

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine = [] {
    // Before oneDNN's first kernel: COLA_CPU_ISA holds for it too.
    if (cpu_isa() != processor_isa()) dnnl::set_max_cpu_isa(dnnl_isa(cpu_isa()));
    return dnnl::engine(dnnl::engine::kind::cpu, 0);
  }();
  return engine;
}

memory::desc descriptor(ConstMatrixView view, Transpose transpose) {
  const auto type = view.dtype == DType::bf16 ? memory::data_type::bf16 : memory::data_type::f32;
  if (transpose == Transpose::yes) return {{view.cols, view.rows}, type, memory::dims{1, view.stride}};
  return {{view.rows, view.cols}, type, memory::dims{view.stride, 1}};
}

// oneDNN only reads the operands that are const here.
memory operand(const memory::desc& desc, const void* data) {
  return {desc, cpu_engine(), const_cast<void*>(data)};  // NOLINT(cppcoreguidelines-pro-type-const-cast)
}

/// oneDNN keeps the compiled primitives of the shapes it has seen lately: finding one again takes
/// microseconds.
void multiply_by_primitive(ConstMatrixView a, Transpose transpose_a, ConstMatrixView b, Transpose transpose_b,
                           std::span<const float> bias, MatrixView c, Write write) {
  const dnnl::engine& engine = cpu_engine();
  const memory::desc source = descriptor(a, transpose_a);
  const memory::desc weights = descriptor(b, transpose_b);
  const memory::desc destination = descriptor(c, Transpose::no);
  const memory::desc bias_desc({1, c.cols}, memory::data_type::f32, memory::format_tag::ab);
  dnnl::primitive_attr attributes;
  if (write == Write::add) {
    dnnl::post_ops sum;
    sum.append_sum(1.0F);
    attributes.set_post_ops(sum);
  }
  const auto operation = bias.empty() ? dnnl::matmul::desc(source, weights, destination)
                                      : dnnl::matmul::desc(source, weights, bias_desc, destination);
  const dnnl::matmul product(dnnl::matmul::primitive_desc(operation, attributes, engine));
  std::unordered_map<int, memory> arguments = {{DNNL_ARG_SRC, operand(source, a.data)},
                                               {DNNL_ARG_WEIGHTS, operand(weights, b.data)},
                                               {DNNL_ARG_DST, operand(destination, c.data)}};
  if (!bias.empty()) arguments.insert({DNNL_ARG_BIAS, operand(bias_desc, bias.data())});
  dnnl::stream stream(engine);
  product.execute(stream, arguments);
  stream.wait();
}

void put_bias(std::span<const float> bias, MatrixView c, Write write) {
  for (std::int64_t row = 0; row < c.rows; ++row) {
    float* target = c.as<float>() + row * c.stride;
    for (std::int64_t col = 0; col < c.cols; ++col) {
      target[col] = bias[static_cast<std::size_t>(col)] + (write == Write::add ? target[col] : 0.0F);
    }
  }
}

void multiply_by_sgemm(ConstMatrixView a, Transpose transpose_a, ConstMatrixView b, Transpose transpose_b,
                       std::span<const float> bias, MatrixView c, Write write) {
  (void)cpu_engine();
  if (!bias.empty()) put_bias(bias, c, write);
  const float beta = write == Write::add || !bias.empty() ? 1.0F : 0.0F;
  const auto letter = [](Transpose transpose) { return transpose == Transpose::yes ? 'T' : 'N'; };
  const std::int64_t depth = transpose_a == Transpose::yes ? a.rows : a.cols;
  const dnnl_status_t status =
      dnnl_sgemm(letter(transpose_a), letter(transpose_b), c.rows, c.cols, depth, 1.0F, a.as<float>(),
                 a.stride, b.as<float>(), b.stride, beta, c.as<float>(), c.stride);
  if (status != dnnl_success) throw std::logic_error("dnnl_sgemm refused its arguments");
}

struct Operands {
  ConstMatrixView a, b;
  std::span<const float> bias;
  MatrixView c;
};

/// The operands of some rows of c.
Operands rows_of_product(Operands all, Transpose transpose_a, std::int64_t begin, std::int64_t end) {
  all.a = transpose_a == Transpose::yes ? all.a.column_range(begin, end) : all.a.row_range(begin, end);
  all.c = all.c.row_range(begin, end);
  return all;
}

/// The operands of some columns of c.
Operands columns_of_product(Operands all, Transpose transpose_b, std::int64_t begin, std::int64_t end) {
  all.b = transpose_b == Transpose::yes ? all.b.row_range(begin, end) : all.b.column_range(begin, end);
  if (!all.bias.empty())
    all.bias = all.bias.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  all.c = all.c.column_range(begin, end);
  return all;
}

/// Slices of a result's rows or columns, the same number for each thread, and few: oneDNN packs the other
/// operand for each anew.
std::int64_t slices_of(std::int64_t length) {
  constexpr std::int64_t long_slice = 1024, short_slice = 64;
  const std::int64_t threads = thread_count();
  return std::clamp<std::int64_t>((length + long_slice * threads - 1) / (long_slice * threads) * threads, 1,
                                  std::max<std::int64_t>(length / short_slice, 1));
}

}  // namespace

const std::string_view product_library = "oneDNN";

void multiply(Context& context, ConstMatrixView a, Transpose transpose_a, ConstMatrixView b,
              Transpose transpose_b, std::span<const float> bias, MatrixView c, Write write) {
  const std::int64_t depth = transpose_a == Transpose::yes ? a.rows : a.cols;
  const std::uint64_t flops =
      2 * static_cast<std::uint64_t>(c.rows * c.cols) * static_cast<std::uint64_t>(depth);
  if (flops == 0) return;
  context.add_flops(flops);
  // With b transposed, oneDNN 2.6's sgemm is at a half (M = 128) to four fifths (M = 512) of the speed of its
  // matmul primitive; but a primitive takes 0.3 to 0.6 ms to make for a new M, more than a small product
  // takes. The other layouts are as fast or faster with sgemm.
  constexpr std::uint64_t worth_a_primitive = 200'000'000;
  const bool primitive =
      a.dtype == DType::bf16 ||
      (transpose_a == Transpose::no && transpose_b == Transpose::yes && flops >= worth_a_primitive);
  // With 1,024 rows, slices of rows were quicker for 576 to 3,072 columns, slices of columns for 49,152.
  const bool by_rows = 8 * c.rows >= c.cols;
  const std::int64_t length = by_rows ? c.rows : c.cols;
  const std::int64_t slices = slices_of(length);
  parallel_for(slices, 1, [&](std::int64_t first, std::int64_t last) {
    omp_set_num_threads(1);  // of oneDNN, in this thread: the threads are ours
    const std::int64_t begin = length * first / slices, end = length * last / slices;
    const Operands all = {a, b, bias, c};
    const Operands part = by_rows ? rows_of_product(all, transpose_a, begin, end)
                                  : columns_of_product(all, transpose_b, begin, end);
    if (primitive) {
      multiply_by_primitive(part.a, transpose_a, part.b, transpose_b, part.bias, part.c, write);
    } else {
      multiply_by_sgemm(part.a, transpose_a, part.b, transpose_b, part.bias, part.c, write);
    }
  });
}

}  // namespace cola::ops
