#pragma once
#include <algorithm>
#include <cstdint>
#include <span>

namespace cola {

/// Walks once through tensors as if they lay end to end.
class TensorWalk {
 public:
  explicit TensorWalk(std::span<const std::span<float>> tensors) : tensors_(tensors) {}

  /// The next elements, as many as `to` takes (no more than are left).
  void read(std::span<float> to) {
    for_next(to.size(), [&](std::span<float> piece, std::size_t at) {
      std::ranges::copy(piece, to.begin() + static_cast<std::ptrdiff_t>(at));
    });
  }
  /// Overwrites the next elements.
  void write(std::span<const float> from) {
    for_next(from.size(), [&](std::span<float> piece, std::size_t at) {
      std::ranges::copy(from.subspan(at, piece.size()), piece.begin());
    });
  }

 private:
  template <class Visit>
  void for_next(std::size_t count, const Visit& visit) {
    for (std::size_t at = 0; at < count;) {
      const std::size_t here = std::min(count - at, tensors_.front().size() - offset_);
      visit(tensors_.front().subspan(offset_, here), at);
      at += here;
      offset_ += here;
      if (offset_ < tensors_.front().size()) continue;
      tensors_ = tensors_.subspan(1);
      offset_ = 0;
    }
  }

  std::span<const std::span<float>> tensors_;
  std::size_t offset_ = 0;  ///< in the first of them
};

}  // namespace cola
