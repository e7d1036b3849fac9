// Finds and loads libcola_cuda.so: in lib/cola beside the program or above it, or where it is installed.
#include <dlfcn.h>
#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <utility>

#include "backend/cuda_module.h"
#include "core/error.h"

namespace cola::ops {
namespace {

constexpr const char* file_name = "libcola_cuda.so";

struct Loaded {
  const CudaModule* module = nullptr;
  std::string error;  ///< why there is none
};

std::filesystem::path find_module() {
  std::error_code ignored;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  const std::array folders = {program / "lib" / "cola", program / ".." / "lib" / "cola",
                              std::filesystem::path(COLA_MODULE_FOLDER)};
  for (const auto& folder : folders) {
    if (std::filesystem::exists(folder / file_name, ignored)) return folder / file_name;
  }
  return {};
}

std::string last_error() {
  const char* text = dlerror();  // NOLINT(concurrency-mt-unsafe): once, at start
  return text != nullptr ? text : "unknown error";
}

Loaded load() {
  const auto path = find_module();
  if (path.empty()) {
    return {
        nullptr,
        fmt::format("no {} in lib/cola beside the program: this cola was built without CUDA\nbuild it with "
                    "-DCOLA_CUDA=ON, or use --device cpu",
                    file_name)};
  }
  // The driver's library first: cheap, and where it is missing nothing else needs loading.
  if (dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    return {nullptr, "no NVIDIA driver (libcuda.so.1) on this machine\ninstall one, or use --device cpu"};
  }
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return {nullptr, fmt::format("cannot load {}: {}\ninstall CUDA's libraries, or use --device cpu",
                                 path.string(), last_error())};
  }
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): what dlsym gives
  const auto entry = reinterpret_cast<CudaModuleEntry>(dlsym(library, cuda_module_entry));
  const CudaModule* module = entry != nullptr ? entry() : nullptr;
  if (module == nullptr || module->build != cuda_module_build()) {
    return {nullptr, fmt::format("{} is of another build of cola: install both together", path.string())};
  }
  return {module, ""};
}

/// Once: a library that has been loaded stays.
const Loaded& loaded() {
  static const Loaded once = load();
  return once;
}

}  // namespace

bool cuda_is_usable() { return loaded().module != nullptr && loaded().module->why_unusable(0).empty(); }

std::vector<std::string> cuda_devices() {
  return cuda_is_usable() ? loaded().module->devices() : std::vector<std::string>();
}

std::shared_ptr<Backend> open_cuda_backend(int device) {
  const auto refuse = [&](const std::string& why) {
    return Error(fmt::format("--device cuda:{}: {}", device, why));
  };
  if (loaded().module == nullptr) throw refuse(loaded().error);
  if (const std::string why = loaded().module->why_unusable(device); !why.empty()) throw refuse(why);
  return loaded().module->open(device);
}

}  // namespace cola::ops
