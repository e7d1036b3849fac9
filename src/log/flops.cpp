#include "log/flops.h"

#include <algorithm>

namespace cola {

double hf_flos(const RaggedBatch& batch, std::int64_t parameters) {
  std::int64_t longest = 0;
  for (std::size_t s = 0; s + 1 < batch.offsets.size(); ++s) {
    longest = std::max<std::int64_t>(longest, batch.offsets[s + 1] - batch.offsets[s]);
  }
  const std::int64_t padded = (longest + 7) / 8 * 8 * batch.sequences();
  return 6.0 * static_cast<double>(padded) * static_cast<double>(parameters);
}

std::int64_t hf_flos_parameters(const ModelConfig& config) {
  std::int64_t count = 0;
  for (const auto& spec : parameter_specs(config)) {
    if (spec.name.find(".embed_") == std::string::npos) count += spec.size();
  }
  return count;
}

}  // namespace cola
