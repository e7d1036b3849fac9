#include "model/linear_names.h"

#include "model/family.h"

namespace cola {

std::vector<LinearName> linear_names(const DecoderSpec& spec) {
  std::vector<LinearName> names;
  for (const auto& linear : linear_specs(spec))
    names.push_back({linear.module(), linear.shape[0], linear.shape[1], linear.block >= 0});
  return names;
}

std::vector<std::string> default_target_modules(const DecoderSpec& spec) {
  const auto targets = spec.family->default_targets;
  return {targets.begin(), targets.end()};
}

std::vector<std::size_t> selected_targets(const DecoderSpec& spec,
                                          const std::vector<std::string>& selectors) {
  return select_target_modules(linear_names(spec),
                               selectors.empty() ? default_target_modules(spec) : selectors);
}

}  // namespace cola
