#include "model/parameter_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "model/family.h"

namespace cola {

std::int64_t ParameterSpec::size() const {
  std::int64_t product = 1;
  for (const std::int64_t extent : shape) product *= extent;
  return product;
}

std::vector<ParameterSpec> parameter_specs(const DecoderSpec& spec) { return spec.family->parameters(spec); }

std::int64_t parameter_count(const DecoderSpec& spec) {
  std::int64_t count = 0;
  for (const auto& parameter : parameter_specs(spec)) count += parameter.size();
  return count;
}

ParameterSpec parameter_of(const DecoderSpec& spec, ParameterRole role, std::int64_t block) {
  const auto all = parameter_specs(spec);
  const auto found = std::ranges::find_if(all, [=](const auto& parameter) {
    return parameter.role == role && parameter.block == block && !parameter.bias;
  });
  if (found == all.end()) throw std::out_of_range("the model has no parameter of this role");
  return *found;
}

ParameterSpec head_spec(DecoderSpec spec) {
  spec.tie_word_embeddings = false;
  return parameter_of(spec, ParameterRole::head);
}

std::vector<ParameterSpec> linear_specs(const DecoderSpec& spec) {
  auto all = parameter_specs(spec);
  std::erase_if(all, [](const auto& parameter) { return !parameter.is_matrix() || parameter.is_table(); });
  if (spec.tie_word_embeddings) all.push_back(head_spec(spec));
  return all;
}

std::string block_prefix(const DecoderSpec& spec, std::int64_t index) {
  return fmt::format("{}.{}", spec.family->blocks, index);
}

std::vector<std::string> block_linear_names(const DecoderSpec& spec) {
  const std::size_t prefix = block_prefix(spec, 0).size() + 1;
  std::vector<std::string> names;
  for (const auto& parameter : linear_specs(spec)) {
    if (parameter.block == 0) names.push_back(parameter.module().substr(prefix));
  }
  return names;
}

}  // namespace cola
