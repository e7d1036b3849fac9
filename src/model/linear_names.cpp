#include "model/linear_names.h"

#include <algorithm>

namespace cola {
namespace {

bool is_linear(const ModelConfig& config, const ParameterSpec& spec) {
  if (!spec.is_matrix()) return false;
  if (spec.name.find(".project_") != std::string::npos) return true;
  const auto names = block_linear_names(config);
  return std::ranges::any_of(names,
                             [&](const auto& name) { return spec.name.ends_with("." + name + ".weight"); });
}

/// The place of project_in in the forward pass is before the blocks, of project_out behind them.
int place(const LinearName& linear) {
  if (linear.name.ends_with(".project_in")) return 0;
  return linear.name.ends_with(".project_out") ? 2 : 1;
}

}  // namespace

std::vector<LinearName> linear_names(const ModelConfig& config) {
  std::vector<LinearName> linears;
  for (const auto& spec : parameter_specs(config)) {
    if (!is_linear(config, spec)) continue;
    const std::string name = spec.name.substr(0, spec.name.size() - std::string(".weight").size());
    linears.push_back({name, spec.shape[0], spec.shape[1]});
  }
  std::ranges::stable_sort(linears, {}, place);
  return linears;
}

}  // namespace cola
