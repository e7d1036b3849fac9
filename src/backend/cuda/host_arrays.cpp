#include "backend/cuda/host_arrays.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "backend/cuda/check.h"

namespace cola::ops::cuda {

HostArrays::Entry& HostArrays::least_used() {
  if (entries_.size() < most_arrays) return entries_.emplace_back();
  return *std::ranges::min_element(entries_, {}, &Entry::last_use);
}

const void* HostArrays::find_or_upload(std::span<const std::byte> bytes) {
  if (bytes.empty()) return nullptr;
  const auto found = std::ranges::find_if(entries_, [&](const Entry& entry) {
    return entry.bytes == bytes.size() && std::memcmp(entry.host->data(), bytes.data(), bytes.size()) == 0;
  });
  if (found != entries_.end()) {
    found->last_use = ++uses_;
    return found->device.data();
  }
  Entry& entry = least_used();
  entry.bytes = 0;  // nothing, should what follows fail
  if (entry.host) entry.host->wait();
  if (!entry.host || entry.host->size() < bytes.size())
    entry.host = std::make_unique<PinnedBuffer>(std::bit_ceil(std::max<std::size_t>(bytes.size(), 4096)));
  entry.device.resize(memory_, bytes.size());
  std::memcpy(entry.host->data(), bytes.data(), bytes.size());
  require(
      cudaMemcpyAsync(entry.device.data(), entry.host->data(), bytes.size(), cudaMemcpyHostToDevice, stream_),
      "a copy of a batch's description");
  entry.host->mark_used(stream_);
  entry.bytes = bytes.size();
  entry.last_use = ++uses_;
  return entry.device.data();
}

}  // namespace cola::ops::cuda
