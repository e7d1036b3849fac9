#pragma once
#include "backend/backend.h"

namespace cola::test {

/// The CPU with all weights row-major, as a device has them: products from packed weights (AMX) add up in
/// another order, so the two agree in all bits only where neither packs.
class UnpackedBackend final : public ops::Backend {
 public:
  [[nodiscard]] std::string name() const override { return cpu_.name(); }
  [[nodiscard]] std::string description() const override { return cpu_.description(); }
  [[nodiscard]] const ops::OpTable& ops() const override { return cpu_.ops(); }
  [[nodiscard]] Memory& memory() override { return cpu_.memory(); }
  [[nodiscard]] bool has_bf16_products() const override { return cpu_.has_bf16_products(); }
  [[nodiscard]] std::string_view product_kernel(DType dtype, bool /*frozen*/) const override {
    return cpu_.product_kernel(dtype, false);
  }
  [[nodiscard]] std::int64_t logits_chunk_bytes(DType dtype) const override {
    return cpu_.logits_chunk_bytes(dtype);
  }
  [[nodiscard]] std::int64_t expansion_bytes(DType dtype, ConstMatrixView w) const override {
    return cpu_.expansion_bytes(dtype, w);
  }
  void synchronize() override { cpu_.synchronize(); }
  [[nodiscard]] ops::PeakRate measure_peak(DType dtype) override { return cpu_.measure_peak(dtype); }
  [[nodiscard]] double measure_read_rate() override { return cpu_.measure_read_rate(); }

 private:
  ops::Backend& cpu_ = ops::cpu_backend();
};

}  // namespace cola::test
