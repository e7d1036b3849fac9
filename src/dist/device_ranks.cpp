#include "dist/device_ranks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "core/error.h"
#include "dist/agreement.h"

namespace cola {

std::string device_of_rank(const std::string& device, Ranks& ranks) {
  ops::check_device_name(device);
  if (ranks.size() == 1) return device;
  const auto places = device == "cpu" ? std::vector<std::string>() : ops::cuda_devices();
  const bool on_cpu = device == "cpu" || (device == "auto" && places.empty());
  require_alike(ranks, {{"device", on_cpu ? "cpu" : "cuda"}});
  if (on_cpu) return "cpu";
  const auto on_machine = find_neighbours(ranks).on_machine;
  if (device.starts_with("cuda:") && on_machine.size() > 1) {
    throw UsageError(fmt::format(
        "--device {}: {} processes run on this machine, each on a device of its own: use --device "
        "cuda, and CUDA_VISIBLE_DEVICES to choose among them",
        device, on_machine.size()));
  }
  if (device.starts_with("cuda:") || places.empty()) return device;  // none: opening it says why

  // A launcher may let each process see a device of its own only, which is number 0 to all of them.
  const auto number =
      std::ranges::find(on_machine, static_cast<std::size_t>(ranks.rank())) - on_machine.begin();
  const std::size_t own = static_cast<std::size_t>(number) % places.size();
  const auto chosen = ranks.gather(places[own]);
  std::set<std::string> different;
  for (const std::size_t rank : on_machine) different.insert(chosen[rank]);
  if (different.size() < on_machine.size()) {
    throw Error(fmt::format(
        "{} processes run on this machine, which has {} CUDA device{} for them\nstart a process a "
        "device, or use --device cpu",
        on_machine.size(), different.size(), different.size() == 1 ? "" : "s"));
  }
  return fmt::format("cuda:{}", own);
}

DeviceRanks::DeviceRanks(Ranks& processes, ops::Backend& backend) : processes_(processes) {
  if (processes.size() == 1) return;
  devices_ = backend.join_devices(processes.rank(), processes.size(),
                                  [&](const std::string& own) { return processes.gather(own); });
}

void DeviceRanks::sum(std::span<double> figures, std::span<const std::span<float>> tensors) {
  if (devices_ == nullptr) return processes_.sum(figures, tensors);
  processes_.sum(figures, {});
  devices_->sum(tensors);
}

std::int64_t DeviceRanks::sum_bytes(std::int64_t elements) const {
  return devices_ == nullptr ? processes_.sum_bytes(elements) : devices_->sum_bytes(elements);
}

void DeviceRanks::abort(int exit_status) {
  processes_.abort(exit_status);
  std::_Exit(exit_status);
}

}  // namespace cola
