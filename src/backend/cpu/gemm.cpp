#include "backend/cpu/gemm.h"

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
  parallel_for(c.rows, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      float* target = c.as<float>() + row * c.stride;
      for (std::int64_t col = 0; col < c.cols; ++col) {
        target[col] = bias[static_cast<std::size_t>(col)] + (write == Write::add ? target[col] : 0.0F);
      }
    }
  });
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
  if (primitive) {
    multiply_by_primitive(a, transpose_a, b, transpose_b, bias, c, write);
  } else {
    multiply_by_sgemm(a, transpose_a, b, transpose_b, bias, c, write);
  }
}

}  // namespace cola::ops
