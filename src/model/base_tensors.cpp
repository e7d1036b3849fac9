#include "model/base_tensors.h"

#include "model/weight_names.h"

namespace cola {

BaseTensors base_tensors(const ModelConfig& config, const TensorSource& source) {
  BaseTensors tensors = match_tensors(config, source);
  if (config.tie_word_embeddings) {
    const std::string table = parameter_of(config, ParameterRole::token_table).name;
    tensors.emplace(head_spec(config).name, tensors.at(table));
  }
  return tensors;
}

}  // namespace cola
