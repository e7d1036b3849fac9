#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "backend/uploads.h"
#include "model/decoder_spec.h"
#include "model/product_weight.h"

namespace cola {

/// Brings the matrices of one decoder block after the other from the host's memory to a device's, which has
/// room for those of two: while ops compute with one block, the next is on its way.
class WeightStream {
 public:
  /// `blocks`: the weights of each, frozen, not packed, in uploads.memory(); they outlive the stream.
  /// Throws Error if the device's memory cannot be had.
  WeightStream(ops::Uploads& uploads, std::vector<std::vector<ProductWeight*>> blocks);
  ~WeightStream();
  WeightStream(const WeightStream&) = delete;
  WeightStream& operator=(const WeightStream&) = delete;

  /// Ops called from here on find the weights of `block`, those called before are the last to find the
  /// weights of the block that was used before. Begins to bring those of `next`.
  void use(std::size_t block, std::size_t next);

  /// Waits until nothing is on its way and forgets what is there: then the host's weights may change.
  void forget() noexcept;

 private:
  struct Slot {
    std::unique_ptr<ops::UploadSlot> room;
    std::optional<std::size_t> block;  ///< whose weights it holds, or will
  };

  /// The slot that holds the block's weights, or will.
  Slot& bring(std::size_t block);
  void empty(Slot& slot) noexcept;

  std::vector<std::vector<ProductWeight*>> blocks_;
  std::array<Slot, 2> slots_;
  Slot* in_use_;
};

/// Bytes that the streamed matrices of such a model take, each memory's.
struct StreamedBytes {
  std::int64_t on_host = 0, on_device = 0;
};
[[nodiscard]] StreamedBytes streamed_bytes(const DecoderSpec& spec, DType dtype);

}  // namespace cola
