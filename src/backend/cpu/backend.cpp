#include "backend/backend.h"

#include <fmt/format.h>

#include "backend/cpu/gemm.h"
#include "backend/cpu/ops.h"
#include "backend/cpu/peak.h"
#include "backend/cpu_isa.h"
#include "backend/packed_matrix.h"
#include "core/parallel.h"

namespace cola::ops {
namespace {

constexpr OpTable table = {
    .attention_forward = cpu::attention_forward,
    .attention_backward = cpu::attention_backward,
    .attention_cached = cpu::attention_cached,
    .transform_logits = cpu::transform_logits,
    .cross_entropy_forward = cpu::cross_entropy_forward,
    .cross_entropy_forward_backward = cpu::cross_entropy_forward_backward,
    .fill_zero = cpu::fill_zero,
    .add = cpu::add,
    .scale = cpu::scale,
    .relu_forward = cpu::relu_forward,
    .relu_backward = cpu::relu_backward,
    .gate_forward = cpu::gate_forward,
    .gate_backward = cpu::gate_backward,
    .dropout = cpu::dropout,
    .convert = cpu::convert,
    .embedding_forward = cpu::embedding_forward,
    .embedding_backward = cpu::embedding_backward,
    .gather_rows = cpu::gather_rows,
    .scatter_rows = cpu::scatter_rows,
    .linear_forward = cpu::linear_forward,
    .linear_forward_together = cpu::linear_forward_together,
    .linear_relu_forward = cpu::linear_relu_forward,
    .linear_relu_backward = cpu::linear_relu_backward,
    .linear_gate_forward = cpu::linear_gate_forward,
    .linear_gate_backward = cpu::linear_gate_backward,
    .linear_backward_input = cpu::linear_backward_input,
    .linear_backward_weight = cpu::linear_backward_weight,
    .linear_backward_bias = cpu::linear_backward_bias,
    .lora_forward = cpu::lora_forward,
    .lora_backward_b = cpu::lora_backward_b,
    .lora_backward_a = cpu::lora_backward_a,
    .lora_delta = cpu::lora_delta,
    .layer_norm_forward = cpu::layer_norm_forward,
    .layer_norm_backward = cpu::layer_norm_backward,
    .rms_norm_forward = cpu::rms_norm_forward,
    .rms_norm_backward = cpu::rms_norm_backward,
    .rotary = cpu::rotary,
    .adamw_update = cpu::adamw_update,
    .sgd_update = cpu::sgd_update,
    .adagrad_update = cpu::adagrad_update,
    .zero_arrays = cpu::zero_arrays,
    .squared_norm = cpu::squared_norm,
};

class CpuBackend final : public Backend {
 public:
  [[nodiscard]] std::string name() const override { return "cpu"; }
  [[nodiscard]] std::string description() const override {
    return fmt::format("{} thread{}, {}", thread_count(), thread_count() == 1 ? "" : "s", name_of(cpu_isa()));
  }
  [[nodiscard]] const OpTable& ops() const override { return table; }
  [[nodiscard]] Memory& memory() override { return host_memory(); }
  [[nodiscard]] bool has_bf16_products() const override { return ops::has_bf16_products(); }
  [[nodiscard]] std::string_view product_kernel(DType dtype, bool frozen) const override {
    return ops::product_kernel(dtype, frozen);
  }
  [[nodiscard]] bool prefers_packed(DType dtype) const override { return ops::prefers_packed(dtype); }
  /// The more rows, the less often the head is read: with AMX a product of a hundred takes as long as its
  /// weights take to arrive.
  [[nodiscard]] std::int64_t logits_chunk_bytes(DType dtype) const override {
    return std::int64_t{dtype == DType::bf16 ? 96 : 64} << 20;
  }
  [[nodiscard]] std::int64_t expansion_bytes(DType dtype, ConstMatrixView w) const override {
    return cpu::expansion_bytes(dtype, w);
  }
  void synchronize() override {}
  [[nodiscard]] PeakRate measure_peak(DType dtype) override { return ops::measure_peak(dtype); }
  [[nodiscard]] double measure_read_rate() override { return ops::measure_read_rate(); }
};

}  // namespace

std::string_view product_kernel(DType dtype, bool frozen) {
  if (frozen && prefers_packed(dtype)) return "AMX tiles";
  if (dtype == DType::f32 || prefers_packed(dtype)) return product_library;
  return has_bf16_products() ? "our bf16 kernel" : "our f32 kernel";
}

Context::Context() : Context(cpu_backend()) {}

Backend& cpu_backend() {
  static CpuBackend backend;
  return backend;
}

}  // namespace cola::ops
