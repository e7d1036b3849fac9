// backend/cuda/nccl_api.h beside NCCL's own header.
#include <nccl.h>

#include <cstddef>
#include <type_traits>

#include "backend/cuda/nccl_api.h"

namespace cola::ops::cuda::nccl {
namespace {

constexpr bool is(Result ours, ncclResult_t theirs) {
  return static_cast<int>(ours) == static_cast<int>(theirs);
}

static_assert(NCCL_VERSION_CODE >= 21400);
static_assert(sizeof(UniqueId) == sizeof(ncclUniqueId));
static_assert(is(Result::success, ncclSuccess) && is(Result::unhandled_cuda_error, ncclUnhandledCudaError) &&
              is(Result::invalid_argument, ncclInvalidArgument) &&
              is(Result::invalid_usage, ncclInvalidUsage) && is(Result::remote_error, ncclRemoteError) &&
              is(Result::in_progress, ncclInProgress) && sizeof(Result) == sizeof(ncclResult_t));
static_assert(static_cast<int>(Type::f32) == static_cast<int>(ncclFloat32) &&
              sizeof(Type) == sizeof(ncclDataType_t));
static_assert(offsetof(Config, size) == offsetof(ncclConfig_t, size) &&
              offsetof(Config, magic) == offsetof(ncclConfig_t, magic) &&
              offsetof(Config, version) == offsetof(ncclConfig_t, version) &&
              offsetof(Config, blocking) == offsetof(ncclConfig_t, blocking));
static_assert(std::is_same_v<CUstream_st*, cudaStream_t>);

/// NCCL's type for one of ours.
template <class T>
struct Theirs {
  using Type = T;
};
template <>
struct Theirs<Result> {
  using Type = ncclResult_t;
};
template <>
struct Theirs<Result*> {
  using Type = ncclResult_t*;
};
template <>
struct Theirs<Type> {
  using Type = ncclDataType_t;
};
template <>
struct Theirs<UniqueId> {
  using Type = ncclUniqueId;
};
template <>
struct Theirs<UniqueId*> {
  using Type = ncclUniqueId*;
};
template <>
struct Theirs<Config*> {
  using Type = ncclConfig_t*;
};
template <>
struct Theirs<Communicator*> {
  using Type = ncclComm_t;
};
template <>
struct Theirs<Communicator**> {
  using Type = ncclComm_t*;
};
template <class R, class... A>
struct Theirs<R (*)(A...)> {
  using Type = typename Theirs<R>::Type (*)(typename Theirs<A>::Type...);
};
template <class Member>
using TheirsOf = typename Theirs<Member>::Type;

static_assert(std::is_same_v<TheirsOf<decltype(Api::get_unique_id)>, decltype(&ncclGetUniqueId)>);
static_assert(
    std::is_same_v<TheirsOf<decltype(Api::comm_init_rank_config)>, decltype(&ncclCommInitRankConfig)>);
static_assert(std::is_same_v<TheirsOf<decltype(Api::comm_destroy)>, decltype(&ncclCommDestroy)>);
static_assert(std::is_same_v<TheirsOf<decltype(Api::comm_abort)>, decltype(&ncclCommAbort)>);
static_assert(
    std::is_same_v<TheirsOf<decltype(Api::comm_get_async_error)>, decltype(&ncclCommGetAsyncError)>);
static_assert(std::is_same_v<TheirsOf<decltype(Api::get_error_string)>, decltype(&ncclGetErrorString)>);
static_assert(std::is_same_v<TheirsOf<decltype(Api::get_last_error)>, decltype(&ncclGetLastError)>);
static_assert(std::is_same_v<TheirsOf<decltype(Api::group_start)>, decltype(&ncclGroupStart)>);
static_assert(std::is_same_v<TheirsOf<decltype(Api::group_end)>, decltype(&ncclGroupEnd)>);
static_assert(std::is_same_v<TheirsOf<decltype(Api::send)>, decltype(&ncclSend)>);
static_assert(std::is_same_v<TheirsOf<decltype(Api::recv)>, decltype(&ncclRecv)>);
static_assert(std::is_same_v<TheirsOf<decltype(Api::all_gather)>, decltype(&ncclAllGather)>);

}  // namespace
}  // namespace cola::ops::cuda::nccl
