#include "model/weight_stream.h"

#include "model/parameter_spec.h"

#include <algorithm>

namespace cola {
namespace {

/// Of a matrix in a slot: as a device's own allocations are, so that the same products are chosen.
constexpr std::size_t alignment = 512;

std::size_t room_for(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

std::size_t bytes_of(ConstMatrixView matrix) {
  return static_cast<std::size_t>(cola::bytes_of(matrix.dtype, matrix.rows * matrix.cols));
}

std::size_t bytes_of(const std::vector<ProductWeight*>& block) {
  std::size_t bytes = 0;
  for (const ProductWeight* weight : block) bytes += room_for(bytes_of(weight->values().plain()));
  return bytes;
}

}  // namespace

WeightStream::WeightStream(ops::Uploads& uploads, std::vector<std::vector<ProductWeight*>> blocks)
    : blocks_(std::move(blocks)), in_use_(slots_.data()) {
  std::size_t largest = 0;
  for (const auto& block : blocks_) largest = std::max(largest, bytes_of(block));
  for (Slot& slot : slots_) slot.room = uploads.make_slot(largest);
  for (const auto& block : blocks_) {
    for (ProductWeight* weight : block) weight->stream_from(this);
  }
}

WeightStream::~WeightStream() {
  forget();
  for (const auto& block : blocks_) {
    for (ProductWeight* weight : block) weight->stream_from(nullptr);
  }
}

void WeightStream::use(std::size_t block, std::size_t next) {
  Slot& slot = bring(block);
  slot.room->arrive();
  std::byte* place = slot.room->data();
  for (ProductWeight* weight : blocks_[block]) {
    ConstMatrixView resident = weight->values().plain();
    resident.data = place;
    weight->set_resident(resident);
    place += room_for(bytes_of(resident));
  }
  in_use_ = &slot;
  (void)bring(next);
}

WeightStream::Slot& WeightStream::bring(std::size_t block) {
  const auto there = std::ranges::find(slots_, block, &Slot::block);
  if (there != slots_.end()) return *there;
  Slot& slot = in_use_ == slots_.data() ? slots_.back() : slots_.front();
  empty(slot);
  std::vector<ops::UploadSlot::Part> parts;
  std::size_t offset = 0;
  for (const ProductWeight* weight : blocks_[block]) {
    const ConstMatrixView values = weight->values().plain();
    parts.push_back({static_cast<const std::byte*>(values.data), offset, bytes_of(values)});
    offset += room_for(bytes_of(values));
  }
  slot.room->fill(parts);
  slot.block = block;
  return slot;
}

void WeightStream::empty(Slot& slot) noexcept {
  if (!slot.block) return;
  for (ProductWeight* weight : blocks_[*slot.block]) weight->set_resident({});
  slot.block.reset();
}

void WeightStream::forget() noexcept {
  for (Slot& slot : slots_) {
    if (!slot.block) continue;
    slot.room->wait();
    empty(slot);
  }
}

StreamedBytes streamed_bytes(const DecoderSpec& spec, DType dtype) {
  StreamedBytes bytes;
  for (const auto& spec : parameter_specs(spec)) {
    if (!spec.is_block_matrix()) continue;
    const std::int64_t size = cola::bytes_of(dtype, spec.size());
    bytes.on_host += size;
    bytes.on_device += static_cast<std::int64_t>(room_for(static_cast<std::size_t>(size)));
  }
  bytes.on_device = bytes.on_device / spec.num_hidden_layers() * 2;
  return bytes;
}

}  // namespace cola
