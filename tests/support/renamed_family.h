#pragma once
#include <string>
#include <vector>

#include "model/family.h"

namespace cola::test {

/// The tensors of OPT or Llama under names that say nothing: "t0.weight", "t0.bias", "t1.weight" ...
inline std::vector<ParameterSpec> renamed_parameters(const DecoderSpec& config) {
  auto specs = find_family(config.position_table ? "opt" : "llama")->parameters(config);
  std::int64_t number = -1;
  for (auto& spec : specs) {
    if (!spec.bias) ++number;
    spec.name = "t" + std::to_string(number) + (spec.bias ? ".bias" : ".weight");
  }
  return specs;
}

/// `config` as of a family that differs from its own in the tensors' names alone.
inline DecoderSpec renamed(DecoderSpec config) {
  static const Family family = [] {
    Family copy = *find_family("llama");
    copy.blocks = "t";
    copy.parameters = renamed_parameters;
    return copy;
  }();
  config.family = &family;
  return config;
}

}  // namespace cola::test
