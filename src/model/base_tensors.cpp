#include "model/base_tensors.h"

#include "model/weight_names.h"

namespace cola {

BaseTensors base_tensors(const ModelConfig& config, const TensorSource& source) {
  BaseTensors tensors = match_tensors(config, source);
  const std::string table = parameter_specs(config).front().name;
  if (config.tie_word_embeddings) tensors.emplace("lm_head.weight", tensors.at(table));
  return tensors;
}

}  // namespace cola
