#pragma once
#include <cstdint>

#include "backend/backend.h"
#include "core/dtype.h"
#include "core/memory.h"
#include "model/base_format.h"

namespace cola {

/// Throws UsageError naming the option unless least <= value <= most.
void require_range(const char* option, std::int64_t value, std::int64_t least, std::int64_t most);

/// Of --seconds, what is measured at least for a figure. Throws UsageError.
void require_seconds(double seconds);

/// Throws Error if so many bytes of weights do not fit into the memory that is available.
void require_memory_for_weights(const Memory& memory, std::int64_t bytes);
/// Throws Error if the weights of the shape do not fit into the memory that is available, with
/// `extra_bytes_per_parameter` beside each.
void require_memory_for_weights(const Memory& memory, const DecoderSpec& config, DType dtype,
                                std::int64_t extra_bytes_per_parameter = 0, const BaseFormat& base = {});
/// The same of weights whose blocks' matrices are streamed from the host's memory. Throws UsageError where
/// the backend computes there.
void require_memory_for_streamed_weights(ops::Backend& backend, const DecoderSpec& config, DType dtype);

}  // namespace cola
