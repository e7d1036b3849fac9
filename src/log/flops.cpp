#include "log/flops.h"

#include "model/parameter_spec.h"

#include <algorithm>
#include <iterator>
#include <vector>

namespace cola {

std::int64_t padded_tokens(std::span<const std::int64_t> lengths) {
  const std::int64_t longest = lengths.empty() ? 0 : std::ranges::max(lengths);
  return (longest + 7) / 8 * 8 * std::ssize(lengths);
}

double hf_flos(const RaggedBatch& batch, std::int64_t parameters) {
  std::vector<std::int64_t> lengths;
  for (std::size_t s = 0; s + 1 < batch.offsets.size(); ++s) {
    lengths.push_back(batch.offsets[s + 1] - batch.offsets[s]);
  }
  return hf_flos(lengths, parameters);
}

double hf_flos(std::span<const std::int64_t> lengths, std::int64_t parameters) {
  return 6.0 * static_cast<double>(padded_tokens(lengths)) * static_cast<double>(parameters);
}

std::int64_t hf_flos_parameters(const DecoderSpec& config) {
  std::int64_t count = 0;
  for (const auto& spec : parameter_specs(config)) {
    if (!spec.is_table()) count += spec.size();
  }
  return count;
}

}  // namespace cola
