#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

struct CUstream_st;  // what a cudaStream_t points to

// What of NCCL's C interface is used, as of NCCL 2.14: later versions of libnccl.so.2 have the same. NCCL's
// own header is not needed to build, nor its library to start.
namespace cola::ops::cuda::nccl {

struct Communicator;  // NCCL's own

/// What processes need to find each other: made by one of them, handed to all.
struct UniqueId {
  char bytes[128] = {};
};

enum class Result : int {
  success = 0,
  unhandled_cuda_error = 1,
  invalid_argument = 4,
  invalid_usage = 5,
  remote_error = 6,
  in_progress = 7,
};
enum class Type : int { f32 = 7 };

/// A communicator's settings. NCCL takes as many as `size` says, of the version that it is told.
struct Config {
  std::size_t size = sizeof(Config);
  unsigned magic = 0xcafebeef;
  unsigned version = 21400;
  int blocking = 1;
};

/// NCCL's functions by their names there without "nccl". Those of a communicator that does not block return
/// in_progress; get_async_error says when that is over. A stream's work is started by then, not done.
struct Api {
  Result (*get_unique_id)(UniqueId* id);
  Result (*comm_init_rank_config)(Communicator** communicator, int size, UniqueId id, int rank,
                                  Config* config);
  Result (*comm_destroy)(Communicator* communicator);
  Result (*comm_abort)(Communicator* communicator);
  Result (*comm_get_async_error)(Communicator* communicator, Result* result);
  const char* (*get_error_string)(Result result);
  const char* (*get_last_error)(Communicator* communicator);
  Result (*group_start)();
  Result (*group_end)();
  Result (*send)(const void* values, std::size_t count, Type type, int to, Communicator* communicator,
                 CUstream_st* stream);
  Result (*recv)(void* values, std::size_t count, Type type, int from, Communicator* communicator,
                 CUstream_st* stream);
  Result (*all_gather)(const void* own, void* all, std::size_t count, Type type, Communicator* communicator,
                       CUstream_st* stream);
};

/// The functions of libnccl.so.2, loaded at the first call. Throws Error saying what to install.
[[nodiscard]] const Api& api();

}  // namespace cola::ops::cuda::nccl
