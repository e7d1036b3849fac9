#include "backend/cuda/nccl_api.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "core/error.h"

namespace cola::ops::cuda::nccl {
namespace {

constexpr const char* file_name = "libnccl.so.2";

[[noreturn]] void refuse(const std::string& why) {
  throw Error(
      fmt::format("several processes on CUDA devices need NCCL: {}\ninstall NCCL 2.14 or later (package "
                  "libnccl2), or use one process",
                  why));
}

std::string last_error() {
  const char* text = dlerror();  // NOLINT(concurrency-mt-unsafe): once, at start
  return text != nullptr ? text : "unknown error";
}

template <class Function>
void look_up(void* library, const char* name, Function*& function) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): what dlsym gives
  function = reinterpret_cast<Function*>(dlsym(library, name));
  if (function == nullptr) refuse(fmt::format("{} is too old: {}", file_name, last_error()));
}

Api load() {
  void* library = dlopen(file_name, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) refuse(last_error());
  Api api = {};
  look_up(library, "ncclGetUniqueId", api.get_unique_id);
  look_up(library, "ncclCommInitRankConfig", api.comm_init_rank_config);
  look_up(library, "ncclCommDestroy", api.comm_destroy);
  look_up(library, "ncclCommAbort", api.comm_abort);
  look_up(library, "ncclCommGetAsyncError", api.comm_get_async_error);
  look_up(library, "ncclGetErrorString", api.get_error_string);
  look_up(library, "ncclGetLastError", api.get_last_error);
  look_up(library, "ncclGroupStart", api.group_start);
  look_up(library, "ncclGroupEnd", api.group_end);
  look_up(library, "ncclSend", api.send);
  look_up(library, "ncclRecv", api.recv);
  look_up(library, "ncclAllGather", api.all_gather);
  return api;
}

}  // namespace

const Api& api() {
  static const Api once = load();  // a library that has been loaded stays
  return once;
}

}  // namespace cola::ops::cuda::nccl
