#include "model/linear_names.h"

#include "model/parameter_spec.h"

namespace cola {

std::vector<LinearName> linear_names(const DecoderSpec& model) {
  std::vector<LinearName> names;
  for (const auto& spec : linear_specs(model))
    names.push_back({spec.module(), spec.shape[0], spec.shape[1], spec.block >= 0});
  return names;
}

}  // namespace cola
