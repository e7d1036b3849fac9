#include "backend/cuda/cuda_backend.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "backend/cuda/check.h"
#include "backend/cuda/nccl_group.h"
#include "backend/cuda/ops.h"
#include "core/system_memory.h"

namespace cola::ops::cuda {
namespace {

constexpr int least_compute_capability = 80;  // bf16 on tensor cores
/// Tokens of a batch up to which launching kernels can take longer than running them.
constexpr std::int64_t most_replayed_rows = 2048;

int attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  require(cudaDeviceGetAttribute(&value, which, device), "asking for a device's properties");
  return value;
}

int compute_capability(int device) {
  return 10 * attribute(cudaDevAttrComputeCapabilityMajor, device) +
         attribute(cudaDevAttrComputeCapabilityMinor, device);
}

/// CUDA writes 13000 for 13.0.
std::string version_text(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

std::pair<int, int> versions() {
  int driver = 0;
  int runtime = 0;
  require(cudaDriverGetVersion(&driver), "asking for the driver's version");
  require(cudaRuntimeGetVersion(&runtime), "asking for CUDA's version");
  return {driver, runtime};
}

}  // namespace

std::string why_unusable(int device) {
  const auto [driver, runtime] = versions();
  if (driver / 1000 < runtime / 1000) {
    return fmt::format(
        "the NVIDIA driver is for CUDA {}, this cola needs CUDA {}: update the driver, or use --device cpu",
        version_text(driver), version_text(runtime));
  }
  int count = 0;
  if (const cudaError_t result = cudaGetDeviceCount(&count); result != cudaSuccess || count == 0) {
    return fmt::format("no CUDA device can be used ({}): use --device cpu",
                       result == cudaSuccess ? "there is none" : cudaGetErrorString(result));
  }
  if (device >= count)
    return fmt::format("there are {} devices here: use cuda:0 to cuda:{}", count, count - 1);
  const int capability = compute_capability(device);
  if (capability >= least_compute_capability) return "";
  return fmt::format("it has compute capability {}.{}, cola needs {}.{} or later: use --device cpu",
                     capability / 10, capability % 10, least_compute_capability / 10,
                     least_compute_capability % 10);
}

std::vector<std::string> device_places() {
  int count = 0;
  require(cudaGetDeviceCount(&count), "asking for the devices");
  std::vector<std::string> places;
  for (int device = 0; device < count; ++device) {
    std::array<char, 32> place{};
    require(cudaDeviceGetPCIBusId(place.data(), place.size(), device), "asking for a device's properties");
    places.emplace_back(place.data());
  }
  return places;
}

CudaBackend::CudaBackend(int device)
    : device_(device),
      stream_(device),
      memory_(device, stream_.get()),
      uploads_(device, stream_.get(), memory_),
      host_arrays_(memory_, stream_.get()),
      products_(memory_),
      replays_(stream_.get()) {}

std::string CudaBackend::name() const { return fmt::format("cuda:{}", device_); }

std::string CudaBackend::description() const {
  cudaDeviceProp properties = {};
  require(cudaGetDeviceProperties(&properties, device_), "asking for a device's properties");
  const auto [driver, runtime] = versions();
  return fmt::format("{} ({}), {}, compute capability {}.{}, CUDA {}, driver for {}", name(), properties.name,
                     format_bytes(static_cast<std::int64_t>(properties.totalGlobalMem)), properties.major,
                     properties.minor, version_text(runtime), version_text(driver));
}

const OpTable& CudaBackend::ops() const { return op_table; }

void CudaBackend::synchronize() { require(cudaStreamSynchronize(stream_.get()), "waiting for the device"); }

std::int64_t CudaBackend::bucket_of(std::int64_t rows) const {
  constexpr std::int64_t bucket = 64;
  return rows > most_replayed_rows ? rows : (rows + bucket - 1) / bucket * bucket;
}

void CudaBackend::repeatable(Context& context, std::string_view name, std::int64_t rows,
                             const std::function<void()>& body) {
  // A profile waits for every op, which a graph cannot.
  if (rows > most_replayed_rows || context.profile() != nullptr) return body();
  replays_.run(context, name, host_arrays_, body);
}

std::unique_ptr<DeviceGroup> CudaBackend::join_devices(int number, int processes, const Gather& gather) {
  return std::make_unique<NcclGroup>(*this, number, processes, gather);
}

}  // namespace cola::ops::cuda
