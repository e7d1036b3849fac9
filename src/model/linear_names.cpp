#include "model/linear_names.h"

#include <algorithm>
#include <string>

namespace cola {
namespace {

bool is_linear(const ModelConfig& config, const ParameterSpec& spec) {
  if (!spec.is_matrix()) return false;
  if (spec.name.find(".project_") != std::string::npos) return true;
  const auto names = block_linear_names(config);
  return std::ranges::any_of(names,
                             [&](const auto& name) { return spec.name.ends_with("." + name + ".weight"); });
}

}  // namespace

std::vector<LinearName> linear_names(const ModelConfig& config) {
  std::vector<LinearName> first, blocks, last;  // project_in, the blocks', project_out; then the head
  for (const auto& spec : parameter_specs(config)) {
    if (!is_linear(config, spec)) continue;
    const std::string name = spec.name.substr(0, spec.name.size() - std::string(".weight").size());
    auto& part = name.ends_with(".project_in") ? first : name.ends_with(".project_out") ? last : blocks;
    part.push_back({name, spec.shape[0], spec.shape[1]});
  }
  for (const auto* part : {&blocks, &last}) first.insert(first.end(), part->begin(), part->end());
  first.push_back({"lm_head", config.vocab_size, config.word_embed_proj_dim});
  return first;
}

}  // namespace cola
