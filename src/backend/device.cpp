#include <fmt/format.h>

#include <charconv>

#include "backend/backend.h"
#include "core/error.h"

namespace cola::ops {
namespace {

/// The CPU's is there as long as the program: nothing owns it.
std::shared_ptr<Backend> unowned(Backend& backend) { return {std::shared_ptr<Backend>(), &backend}; }

/// N of "cuda:N"; 0 of "cuda". Throws UsageError.
int cuda_index(const std::string& device) {
  if (device == "cuda") return 0;
  const std::string_view digits = std::string_view(device).substr(std::string_view("cuda:").size());
  int index = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size() || index < 0)
    throw UsageError(fmt::format("--device {}: use cpu, cuda, cuda:N or auto", device));
  return index;
}

}  // namespace

void check_device_name(const std::string& device) {
  if (device == "cpu" || device == "auto") return;
  if (device != "cuda" && !device.starts_with("cuda:"))
    throw UsageError(fmt::format("--device {}: use cpu, cuda, cuda:N or auto", device));
  (void)cuda_index(device);
}

std::shared_ptr<Backend> open_backend(const std::string& device) {
  check_device_name(device);
  if (device == "cpu" || (device == "auto" && !cuda_is_usable())) return unowned(cpu_backend());
  return open_cuda_backend(device == "auto" ? 0 : cuda_index(device));
}

Uploads& uploads_of(Backend& backend) {
  if (Uploads* uploads = backend.uploads(); uploads != nullptr) return *uploads;
  throw UsageError(fmt::format(
      "--offload-base keeps weights out of a GPU's memory, and {} computes in the host's: leave it out, and "
      "of a run that was begun with it use --resume --offload-base=false",
      backend.name()));
}

}  // namespace cola::ops
