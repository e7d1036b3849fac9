#include "backend/cuda/nccl_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <thread>
#include <utility>

#include "backend/cuda/check.h"
#include "backend/cuda/elements.h"
#include "core/error.h"

namespace cola::ops::cuda {
namespace {

/// One of the processes makes it: NCCL listens where it was made.
nccl::UniqueId agree_on_id(const nccl::Api& nccl, int number, const Backend::Gather& gather) {
  nccl::UniqueId id;
  if (number == 0 && nccl.get_unique_id(&id) != nccl::Result::success)
    throw Error(fmt::format("NCCL: starting: {}", nccl.get_last_error(nullptr)));
  const std::string first = gather(number == 0 ? std::string(id.bytes, sizeof(id.bytes)) : "").front();
  first.copy(id.bytes, sizeof(id.bytes));
  return id;
}

/// Of pieces that lie end to end in `one`.
std::vector<launch::Copy> into_one(std::span<const std::span<float>> pieces, float* one) {
  std::vector<launch::Copy> copies;
  for (const auto& piece : pieces) {
    copies.push_back({piece.data(), one, std::ssize(piece)});
    one += piece.size();
  }
  return copies;
}
std::vector<launch::Copy> out_of_one(const float* one, std::span<const std::span<float>> pieces) {
  std::vector<launch::Copy> copies;
  for (const auto& piece : pieces) {
    copies.push_back({one, piece.data(), std::ssize(piece)});
    one += piece.size();
  }
  return copies;
}

}  // namespace

NcclGroup::NcclGroup(CudaBackend& backend, int number, int processes, const Backend::Gather& gather,
                     const NcclLimits& limits)
    : backend_(backend),
      nccl_(nccl::api()),
      processes_(processes),
      limits_(limits),
      outgoing_(backend.memory()),
      incoming_(backend.memory()) {
  const nccl::UniqueId id = agree_on_id(nccl_, number, gather);
  nccl::Config config = {.blocking = 0};
  constexpr const char* what = "joining the devices";
  finish(nccl_.comm_init_rank_config(&communicator_, processes, id, number, &config), what);
  try {
    Buffer one(backend_.memory());
    one.resize(sizeof(float));
    backend_.memory().fill_zero(one.data(), one.size());
    const std::array tensors{one.as<float>()};
    sum(tensors);
  } catch (...) {
    abort();
    throw;
  }
}

NcclGroup::~NcclGroup() {
  // Destroying waits for the others, who may be waiting for what went wrong here.
  if (std::uncaught_exceptions() > 0) abort();
  if (communicator_ != nullptr) (void)nccl_.comm_destroy(communicator_);
}

void NcclGroup::abort() noexcept {
  if (communicator_ != nullptr) (void)nccl_.comm_abort(std::exchange(communicator_, nullptr));
}

void NcclGroup::sum(std::span<const std::span<float>> tensors) {
  std::vector<std::span<float>> pieces;  // of one chunk
  std::int64_t count = 0;
  for (std::span<float> tensor : tensors) {
    while (!tensor.empty()) {
      const auto taken = std::min(std::ssize(tensor), limits_.chunk_elements - count);
      pieces.push_back(tensor.first(static_cast<std::size_t>(taken)));
      tensor = tensor.subspan(static_cast<std::size_t>(taken));
      count += taken;
      if (count < limits_.chunk_elements) continue;
      sum_chunk(pieces, count);
      pieces.clear();
      count = 0;
    }
  }
  if (count > 0) sum_chunk(pieces, count);
}

std::size_t NcclGroup::chunk_bytes(std::int64_t elements) const {
  const std::int64_t slice = (std::min(elements, limits_.chunk_elements) + processes_ - 1) / processes_;
  return static_cast<std::size_t>(slice * processes_) * sizeof(float);
}

std::int64_t NcclGroup::sum_bytes(std::int64_t elements) const {
  return 2 * static_cast<std::int64_t>(chunk_bytes(elements));
}

void NcclGroup::sum_chunk(std::span<const std::span<float>> pieces, std::int64_t count) {
  // Slices of one length: what the last ones have behind the pieces is added up with the rest, and not read.
  outgoing_.resize(chunk_bytes(count));
  incoming_.resize(chunk_bytes(count));
  float* const outgoing = outgoing_.as<float>().data();
  float* const incoming = incoming_.as<float>().data();
  const std::int64_t slice = std::ssize(outgoing_.as<float>()) / processes_;
  constexpr const char* what = "adding up gradients";
  copy(into_one(pieces, outgoing));
  exchange_slices(outgoing, incoming, slice);
  require(launch::add_slices(backend_.queue(), processes_, slice, incoming), what);
  cudaStream_t stream = backend_.queue().stream;
  finish(nccl_.all_gather(incoming, outgoing, static_cast<std::size_t>(slice), nccl::Type::f32, communicator_,
                          stream),
         what);
  copy(out_of_one(outgoing, pieces));
  const auto is_done = [&] {
    const cudaError_t state = cudaStreamQuery(stream);
    if (state != cudaErrorNotReady) require(state, what);
    if (state == cudaErrorNotReady) (void)cudaGetLastError();  // which would be taken for a launch's
    return state == cudaSuccess;
  };
  wait_until(is_done, what);
}

void NcclGroup::copy(const std::vector<launch::Copy>& copies) {
  const auto longest = std::ranges::max_element(copies, {}, &launch::Copy::count)->count;
  require(launch::copy_arrays(backend_.queue(), std::ssize(copies), backend_.host_arrays().on_device(copies),
                              longest),
          "copying gradients");
}

void NcclGroup::exchange_slices(const float* outgoing, float* incoming, std::int64_t slice) {
  constexpr const char* what = "exchanging gradients";
  cudaStream_t stream = backend_.queue().stream;
  const auto count = static_cast<std::size_t>(slice);
  nccl::Result result = nccl_.group_start();
  const auto then = [&](nccl::Result next) {
    if (result == nccl::Result::success) result = next;
  };
  for (int other = 0; other < processes_; ++other) {
    then(nccl_.send(outgoing + other * slice, count, nccl::Type::f32, other, communicator_, stream));
    then(nccl_.recv(incoming + other * slice, count, nccl::Type::f32, other, communicator_, stream));
  }
  then(nccl_.group_end());
  finish(result, what);
}

void NcclGroup::finish(nccl::Result result, std::string_view what) {
  if (result != nccl::Result::success && result != nccl::Result::in_progress)
    fail(what, nccl_.get_error_string(result));
  wait_until([] { return true; }, what);
}

void NcclGroup::wait_until(const std::function<bool()>& done, std::string_view what) {
  const auto deadline = std::chrono::steady_clock::now() + limits_.patience;
  while (true) {
    nccl::Result state = nccl::Result::success;
    const nccl::Result asked = nccl_.comm_get_async_error(communicator_, &state);
    if (asked != nccl::Result::success) state = asked;
    if (state == nccl::Result::success && done()) return;
    if (state != nccl::Result::success && state != nccl::Result::in_progress)
      fail(what, nccl_.get_error_string(state));
    if (std::chrono::steady_clock::now() > deadline)
      fail(what, fmt::format("not done after {} s", limits_.patience.count()));
    std::this_thread::yield();
  }
}

void NcclGroup::fail(std::string_view what, const std::string& why) {
  const std::string more = nccl_.get_last_error(communicator_);
  abort();  // its kernels would wait for the others for ever, and the stream's other work for them
  throw Error(fmt::format(
      "NCCL: {}: {}{}\nanother process or device is lost (NCCL_DEBUG=INFO says more); a run goes on from its "
      "last checkpoint: cola train --resume",
      what, why, more.empty() ? "" : " (" + more + ")"));
}

}  // namespace cola::ops::cuda
