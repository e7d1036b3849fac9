#pragma once
#include <memory>
#include <string>

#include "backend/backend.h"
#include "dist/ranks.h"

namespace cola {

/// What `--device` means for this rank, for ops::open_backend: of several ranks on a machine, each takes a
/// CUDA device of its own. Collective. Throws UsageError where that contradicts the option, Error where a
/// machine has fewer devices than ranks, or some ranks would train on CUDA devices and others would not.
[[nodiscard]] std::string device_of_rank(const std::string& device, Ranks& ranks);

/// Ranks that train on a backend: its tensors are added up where they lie, everything else goes through the
/// processes. Figures come first, so that a rank that does not come is missed there, on the host.
class DeviceRanks final : public Ranks {
 public:
  /// Collective. Both outlive it. Throws Error if the devices cannot be joined.
  DeviceRanks(Ranks& processes, ops::Backend& backend);

  [[nodiscard]] int rank() const override { return processes_.rank(); }
  [[nodiscard]] int size() const override { return processes_.size(); }
  void sum(std::span<double> figures, std::span<const std::span<float>> tensors) override;
  [[nodiscard]] std::int64_t sum_bytes(std::int64_t elements) const override;
  [[nodiscard]] std::vector<std::string> gather(const std::string& own) override {
    return processes_.gather(own);
  }
  [[nodiscard]] bool all_have_failed() override { return processes_.all_have_failed(); }
  [[noreturn]] void abort(int exit_status) override;

 private:
  Ranks& processes_;
  std::unique_ptr<ops::DeviceGroup> devices_;  ///< null: one process, or tensors in the host's memory
};

}  // namespace cola
