#include "bench/necessary_work.h"

#include "model/parameter_spec.h"

namespace cola {
namespace {

bool is_looked_up(const DecoderSpec& config, const ParameterSpec& spec) {
  return spec.role == ParameterRole::position_table ||
         (spec.role == ParameterRole::token_table && !config.tie_word_embeddings);
}

}  // namespace

double weights_by_rows(const DecoderSpec& config, double tokens, double head_rows) {
  double products = 0.0;
  for (const auto& spec : parameter_specs(config)) {
    if (!spec.is_matrix() || is_looked_up(config, spec)) continue;
    const bool of_head =
        spec.is_table() || spec.role == ParameterRole::head || spec.role == ParameterRole::project_out;
    products += static_cast<double>(spec.size()) * (of_head ? head_rows : tokens);
  }
  return products;
}

double weight_bytes_of_token(const DecoderSpec& config, DType dtype) {
  double bytes = 0.0;
  for (const auto& spec : parameter_specs(config)) {
    if (is_looked_up(config, spec)) continue;
    bytes += static_cast<double>(spec.size()) *
             static_cast<double>(spec.is_matrix() ? size_of(dtype) : sizeof(float));
  }
  return bytes;
}

}  // namespace cola
