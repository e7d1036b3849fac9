#include "bench/checks.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/system_memory.h"
#include "model/parameter_spec.h"
#include "model/weight_stream.h"

namespace cola {

void require_range(const char* option, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value >= least && value <= most) return;
  throw UsageError(fmt::format("--{} {} is out of range: use {} to {}", option, value, least, most));
}

void require_seconds(double seconds) {
  if (seconds >= 0.0 && seconds <= 3600.0) return;
  throw UsageError(fmt::format("--seconds {} is out of range: use 0 to 3600", seconds));
}

namespace {

void require_bytes(const Memory& memory, std::int64_t needed, const char* what) {
  const std::int64_t available = memory.available_bytes();
  if (needed <= available) return;
  throw Error(fmt::format("the weights need {} of {}, {} are available: use a smaller model",
                          format_bytes(needed), what, format_bytes(available)));
}

}  // namespace

void require_memory_for_weights(const Memory& memory, std::int64_t bytes) {
  require_bytes(memory, bytes, "memory");
}

void require_memory_for_weights(const Memory& memory, const DecoderSpec& config, DType dtype,
                                std::int64_t extra_bytes_per_parameter, const BaseFormat& base) {
  std::int64_t needed = 0;
  for (const ParameterSpec& spec : parameter_specs(config)) {
    needed += bytes_of(dtype_in_memory(config, spec, dtype, dtype, base), spec.size()) +
              spec.size() * extra_bytes_per_parameter;
  }
  require_bytes(memory, needed, "memory");
}

void require_memory_for_streamed_weights(ops::Backend& backend, const DecoderSpec& config, DType dtype) {
  const StreamedBytes streamed = streamed_bytes(config, dtype);
  const std::int64_t all = parameter_count(config) * static_cast<std::int64_t>(size_of(dtype));
  require_bytes(ops::uploads_of(backend).memory(), streamed.on_host, "the host's memory");
  require_bytes(backend.memory(), all - streamed.on_host + streamed.on_device, "the device's memory");
}

}  // namespace cola
