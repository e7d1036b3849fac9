#include "model/base_tensors.h"

#include "model/parameter_spec.h"
#include "model/weight_names.h"

namespace cola {
namespace {

BaseTensor::Use use_of(const ParameterSpec& spec) {
  if (!spec.is_matrix()) return BaseTensor::Use::vector;
  if (spec.is_table()) return BaseTensor::Use::look_up;
  if (spec.role == ParameterRole::head) return BaseTensor::Use::head;
  return spec.block >= 0 ? BaseTensor::Use::block_linear : BaseTensor::Use::linear;
}

}  // namespace

BaseTensors base_tensors(const DecoderSpec& config, const TensorSource& source) {
  const auto found = match_tensors(config, source);
  BaseTensors tensors;
  for (const auto& spec : parameter_specs(config))
    tensors.emplace(spec.name, BaseTensor{found.at(spec.name), use_of(spec)});
  if (config.tie_word_embeddings) {
    const std::string table = parameter_of(config, ParameterRole::token_table).name;
    tensors.emplace(head_spec(config).name, BaseTensor{found.at(table), BaseTensor::Use::head});
  }
  for (const OtherTensor& other : tensors_of_other_parts(config, source)) {
    if (other.tensor->shape.size() == 2)
      tensors.emplace(other.in_memory, BaseTensor{other.tensor, BaseTensor::Use::other_part});
  }
  return tensors;
}

}  // namespace cola
