#pragma once
#include <cstddef>
#include <memory>
#include <span>

#include "core/memory.h"

namespace cola::ops {

/// Room in a device's memory that is filled from the host's while ops run.
class UploadSlot {
 public:
  struct Part {
    const std::byte* host = nullptr;  ///< in Uploads::memory()
    std::size_t offset = 0;           ///< in the slot
    std::size_t bytes = 0;
  };

  UploadSlot() = default;
  virtual ~UploadSlot() = default;
  UploadSlot(const UploadSlot&) = delete;
  UploadSlot& operator=(const UploadSlot&) = delete;

  [[nodiscard]] virtual std::byte* data() = 0;  ///< in the backend's memory
  /// Begins to copy, as soon as the ops called so far are done: they may read what the slot held. What it
  /// holds is then unspecified until arrive(), and the parts do not change until wait().
  virtual void fill(std::span<const Part> parts) = 0;
  /// Ops called from here on read what the last fill() brings: they wait for it, the caller does not.
  virtual void arrive() = 0;
  /// Until what has been begun is done. If it failed, a later call to the device says so.
  virtual void wait() noexcept = 0;
};

/// How a device computes with what its memory has no room for: copies in the background. Outlives its slots
/// and whatever lies in its memory.
class Uploads {
 public:
  Uploads() = default;
  virtual ~Uploads() = default;
  Uploads(const Uploads&) = delete;
  Uploads& operator=(const Uploads&) = delete;

  /// The host's, in pages that stay where they are, so that a device copies from them on its own.
  [[nodiscard]] virtual Memory& memory() = 0;
  /// Throws Error if the device's memory cannot be had.
  [[nodiscard]] virtual std::unique_ptr<UploadSlot> make_slot(std::size_t bytes) = 0;
};

}  // namespace cola::ops
