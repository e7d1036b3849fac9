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

bool HostArrays::Entry::holds(std::span<const std::byte> content) const {
  return bytes == content.size() && std::memcmp(host->data(), content.data(), bytes) == 0;
}

const void* HostArrays::find_or_upload(std::span<const std::byte> bytes) {
  if (bytes.empty()) return nullptr;
  if (turns_ != nullptr) return find_in_turn(bytes);
  const auto found = std::ranges::find_if(entries_, [&](const Entry& entry) { return entry.holds(bytes); });
  const bool there = found != entries_.end();
  Entry& entry = there ? *found : least_used();
  if (!there) upload(entry, bytes);
  entry.last_use = ++uses_;
  return entry.device.data();
}

const void* HostArrays::find_in_turn(std::span<const std::byte> bytes) {
  auto& entries = turns_->entries_;
  for (std::size_t i = 0; i < turns_->next_; ++i) {
    if (entries[i].holds(bytes)) return entries[i].device.data();
  }
  if (turns_->next_ == entries.size()) entries.emplace_back();
  Entry& entry = entries[turns_->next_++];
  if (!entry.holds(bytes)) upload(entry, bytes);
  return entry.device.data();
}

void HostArrays::upload(Entry& entry, std::span<const std::byte> bytes) {
  entry.bytes = 0;  // nothing, should what follows fail
  if (entry.host) entry.host->wait();
  if (!entry.host || entry.host->size() < bytes.size()) {
    entry.host = std::make_unique<PinnedBuffer>(std::bit_ceil(std::max<std::size_t>(bytes.size(), 4096)));
    entry.device.resize(memory_, entry.host->size());
  }
  std::memcpy(entry.host->data(), bytes.data(), bytes.size());
  require(
      cudaMemcpyAsync(entry.device.data(), entry.host->data(), bytes.size(), cudaMemcpyHostToDevice, stream_),
      "a copy of a batch's description");
  entry.host->mark_used(stream_);
  entry.bytes = bytes.size();
}

}  // namespace cola::ops::cuda
