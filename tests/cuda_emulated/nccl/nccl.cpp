// libnccl.so.2 for processes on one machine, over a file that they map: what backend/cuda/nccl_api.h
// declares, of communicators that do not block. A group's exchange, or a gather, is a round; a round goes on
// when somebody asks how it goes, as a call does there in the background, and its data is there when it is
// over.
//
// Found: calls while another is in progress, sends outside a group, messages that do not match, memory that
// overlaps; results read too early (they are NaN until then). A process that has ended is noticed by the lock
// that it held on a byte of the file.
#include <cuda_runtime_api.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "backend/cuda/nccl_api.h"

using cola::ops::cuda::nccl::Config;
using cola::ops::cuda::nccl::Result;
using cola::ops::cuda::nccl::Type;
using cola::ops::cuda::nccl::UniqueId;

namespace {

constexpr std::size_t most_ranks = 8;
constexpr std::size_t most_bytes = std::size_t{80} << 20;  ///< that a rank sends in a round

/// What a rank tells the others.
struct Rank {
  std::atomic<std::uint64_t> sent{0};      ///< rounds whose messages lie in its part of the file ...
  std::atomic<std::uint64_t> received{0};  ///< ... and those of which it has all messages
  std::atomic<bool> joined{false};
  std::size_t begin[most_ranks] = {}, bytes[most_ranks] = {};  ///< of its message to each
};
struct Shared {
  Rank ranks[most_ranks];
  std::byte data[most_ranks][most_bytes];
};

struct Message {
  int other;
  std::size_t bytes;
  const std::byte* from;  ///< null: to be received
  std::byte* to;
};

std::vector<Message> group;
bool in_group = false;
const char* last_error = "";

Result refuse(Result result, const char* why) {
  last_error = why;
  return result;
}

}  // namespace

namespace cola::ops::cuda::nccl {

struct Communicator {
  std::string path;
  int file = -1;
  Shared* shared = nullptr;
  int rank = 0, size = 1;
  std::uint64_t rounds = 0;
  Result state = Result::in_progress;
  bool joining = true, sent = false;
  std::vector<Message> round;
};

}  // namespace cola::ops::cuda::nccl

namespace {

using cola::ops::cuda::nccl::Communicator;

/// Whether the rank has come and is gone; its lock went with it.
bool is_lost(const Communicator& communicator, int rank) {
  if (rank == communicator.rank || !communicator.shared->ranks[rank].joined) return false;
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = rank;
  lock.l_len = 1;
  return fcntl(communicator.file, F_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
}

/// Whether there(rank) holds for all; if not and one of those is lost, the communicator fails.
template <class There>
bool all(Communicator& communicator, const There& there) {
  bool complete = true;
  for (int rank = 0; rank < communicator.size; ++rank) {
    const bool lost = is_lost(communicator, rank);  // asked first: what it did before it ended counts
    if (there(communicator.shared->ranks[rank])) continue;
    complete = false;
    if (lost) communicator.state = refuse(Result::remote_error, "a process has ended");
  }
  return complete;
}

void send(Communicator& communicator) {
  Rank& own = communicator.shared->ranks[communicator.rank];
  std::byte* data = communicator.shared->data[communicator.rank];
  std::fill_n(own.bytes, most_ranks, 0);
  std::size_t used = 0;
  for (const Message& message : communicator.round) {
    if (message.from == nullptr) continue;
    std::memcpy(data + used, message.from, message.bytes);
    own.begin[message.other] = used;
    own.bytes[message.other] = message.bytes;
    used += message.bytes;
  }
  own.sent = communicator.rounds + 1;
  communicator.sent = true;
}

void receive(Communicator& communicator) {
  std::vector<std::size_t> expected(most_ranks);
  for (const Message& message : communicator.round) {
    if (message.from == nullptr) expected[static_cast<std::size_t>(message.other)] = message.bytes;
  }
  for (int rank = 0; rank < communicator.size; ++rank) {
    if (communicator.shared->ranks[rank].bytes[communicator.rank] == expected[static_cast<std::size_t>(rank)])
      continue;
    communicator.state = refuse(Result::invalid_usage, "what is sent is not what is received");
    return;
  }
  for (const Message& message : communicator.round) {
    if (message.from != nullptr) continue;
    const auto begin = communicator.shared->ranks[message.other].begin[communicator.rank];
    std::memcpy(message.to, communicator.shared->data[message.other] + begin, message.bytes);
  }
  communicator.shared->ranks[communicator.rank].received = ++communicator.rounds;
  communicator.sent = false;
  communicator.round.clear();
  communicator.state = Result::success;
}

void go_on(Communicator& communicator) {
  if (communicator.joining) {
    if (!all(communicator, [](const Rank& rank) { return rank.joined.load(); })) return;
    communicator.joining = false;
    communicator.state = Result::success;
    if (communicator.rank == 0) (void)unlink(communicator.path.c_str());
    return;
  }
  const std::uint64_t done = communicator.rounds;
  if (!communicator.sent) {
    if (!all(communicator, [&](const Rank& rank) { return rank.received >= done; })) return;
    send(communicator);
  }
  if (all(communicator, [&](const Rank& rank) { return rank.sent > done; })) receive(communicator);
}

Result start(Communicator& communicator, std::vector<Message> round) {
  std::size_t bytes = 0;
  for (const Message& message : round) {
    if (message.from != nullptr) bytes += message.bytes;
    if (message.from == nullptr) std::memset(message.to, 0xff, message.bytes);
  }
  if (bytes > most_bytes) return refuse(Result::invalid_argument, "more bytes than the emulation takes");
  communicator.round = std::move(round);
  return communicator.state = Result::in_progress;
}

bool is_idle(const Communicator* communicator) {
  return communicator != nullptr && communicator->state == Result::success;
}

Result add_to_group(const Communicator* communicator, Message message, Type type) {
  if (!is_idle(communicator) || !in_group)
    return refuse(Result::invalid_usage, "a message outside a group or while another call is in progress");
  if (type != Type::f32 || message.other < 0 || message.other >= communicator->size)
    return refuse(Result::invalid_argument, "a message of another type or to nobody");
  group.push_back(message);
  return Result::success;
}

Communicator* grouped = nullptr;  ///< of whom the group's messages are
CUstream_st* grouped_on = nullptr;

void leave(Communicator* communicator) {
  if (communicator->joining && communicator->rank == 0) (void)unlink(communicator->path.c_str());
  (void)munmap(communicator->shared, sizeof(Shared));
  (void)close(communicator->file);
  delete communicator;  // NOLINT: a handle of the C interface
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): NCCL's names
extern "C" {

Result ncclGetUniqueId(UniqueId* id) {
  std::string name = (std::getenv("TMPDIR") != nullptr ? std::getenv("TMPDIR") : "/tmp");
  name += "/emulated-nccl-XXXXXX";
  if (name.size() >= sizeof(id->bytes)) return refuse(Result::invalid_argument, "TMPDIR is too long");
  const int file = mkstemp(name.data());
  if (file < 0 || ftruncate(file, sizeof(Shared)) != 0) return refuse(Result::invalid_argument, "no file");
  (void)close(file);
  *id = {};
  name.copy(id->bytes, name.size());
  return Result::success;
}

Result ncclCommInitRankConfig(Communicator** communicator, int size, UniqueId id, int rank, Config* config) {
  if (config->magic != 0xcafebeef || config->version < 21400 || config->size < sizeof(Config) ||
      config->blocking != 0)
    return refuse(Result::invalid_argument,
                  "settings that are not those of a communicator that does not block");
  if (rank < 0 || rank >= size || size > static_cast<int>(most_ranks))
    return refuse(Result::invalid_argument, "no such rank");
  const int file = open(id.bytes, O_RDWR | O_CLOEXEC);  // NOLINT
  if (file < 0) return refuse(Result::invalid_argument, "no such id");
  void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) return refuse(Result::invalid_argument, "cannot map the file");
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = rank;
  lock.l_len = 1;
  if (fcntl(file, F_SETLK, &lock) != 0) return refuse(Result::invalid_usage, "this rank is there already");
  *communicator = new Communicator;  // NOLINT: a handle of the C interface
  (*communicator)->path = id.bytes;
  (*communicator)->file = file;
  (*communicator)->shared = static_cast<Shared*>(memory);
  (*communicator)->rank = rank;
  (*communicator)->size = size;
  (*communicator)->shared->ranks[rank].joined = true;
  return Result::in_progress;
}

Result ncclCommGetAsyncError(Communicator* communicator, Result* result) {
  if (communicator->state == Result::in_progress) go_on(*communicator);
  *result = communicator->state;
  return Result::success;
}

Result ncclCommDestroy(Communicator* communicator) {
  if (!is_idle(communicator)) std::abort();  // it would wait for ever there
  leave(communicator);
  return Result::success;
}

Result ncclCommAbort(Communicator* communicator) {
  leave(communicator);
  return Result::success;
}

const char* ncclGetErrorString(Result result) {
  return result == Result::remote_error ? "remote process exited or there was a network error" : "wrong use";
}
const char* ncclGetLastError(Communicator* /*communicator*/) { return last_error; }

Result ncclGroupStart() {
  if (in_group) return refuse(Result::invalid_usage, "a group within a group");
  in_group = true;
  return Result::success;
}

Result ncclGroupEnd() {
  if (!in_group) return refuse(Result::invalid_usage, "the end of no group");
  in_group = false;
  (void)cudaStreamSynchronize(grouped_on);
  return start(*std::exchange(grouped, nullptr), std::exchange(group, {}));
}

Result ncclSend(const void* values, std::size_t count, Type type, int to, Communicator* communicator,
                CUstream_st* stream) {
  grouped = communicator;
  grouped_on = stream;
  const auto* from = static_cast<const std::byte*>(values);
  return add_to_group(communicator, {to, count * sizeof(float), from, nullptr}, type);
}

Result ncclRecv(void* values, std::size_t count, Type type, int from, Communicator* communicator,
                CUstream_st* stream) {
  grouped = communicator;
  grouped_on = stream;
  auto* to = static_cast<std::byte*>(values);
  return add_to_group(communicator, {from, count * sizeof(float), nullptr, to}, type);
}

Result ncclAllGather(const void* own, void* all, std::size_t count, Type type, Communicator* communicator,
                     CUstream_st* stream) {
  (void)cudaStreamSynchronize(stream);
  const std::size_t bytes = count * sizeof(float);
  const auto* from = static_cast<const std::byte*>(own);
  auto* to = static_cast<std::byte*>(all);
  if (!is_idle(communicator)) return refuse(Result::invalid_usage, "another call is in progress");
  const auto size = static_cast<std::size_t>(communicator->size);
  if (type != Type::f32 || (from < to + size * bytes && to < from + bytes))
    return refuse(Result::invalid_argument, "another type, or memory that overlaps");
  std::vector<Message> round;
  for (int rank = 0; rank < communicator->size; ++rank) {
    round.push_back({rank, bytes, from, nullptr});
    round.push_back({rank, bytes, nullptr, to + static_cast<std::size_t>(rank) * bytes});
  }
  return start(*communicator, std::move(round));
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)
