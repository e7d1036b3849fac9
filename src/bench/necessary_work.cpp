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

double weight_bytes_of_token(const DecoderSpec& config, const Weights& weights) {
  std::int64_t bytes = 0;
  for (const auto& parameter : weights.all()) {
    if (!is_looked_up(config, parameter->spec))
      bytes += bytes_of(parameter->value.plain().dtype, parameter->spec.size());
  }
  return static_cast<double>(bytes);
}

}  // namespace cola
