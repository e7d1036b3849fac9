#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>

#include "io/files.h"
#include "io/json.h"
#include "io/safetensors_writer.h"
#include "lora/peft_format.h"

namespace cola {
namespace {

template <class Value>
Value most_common(const std::vector<LoraModule>& modules, Value (*value_of)(const LoraModule&)) {
  std::map<Value, int> counts;
  for (const auto& module : modules) ++counts[value_of(module)];
  return std::ranges::max_element(counts, {}, [](const auto& entry) { return entry.second; })->first;
}

/// alpha that gives `scale` as alpha / r.
double plain_alpha(const LoraModule& module) { return module.scale * static_cast<double>(module.rank()); }

/// PEFT's lora_alpha is an integer; other readers may insist on it where it is whole.
Json alpha_json(double alpha) {
  constexpr double exact = 1e9;  // far below where a conversion to an integer could overflow
  return std::abs(alpha) < exact && std::trunc(alpha) == alpha ? Json(static_cast<std::int64_t>(alpha))
                                                               : Json(alpha);
}

bool is_adapted(const Link& link, const std::string& module) {
  return std::ranges::find(link.modules, module, &LoraModule::name) != link.modules.end();
}

/// PEFT's `bias`: of the adapted layers, or also of others.
std::string bias_kind(const Link& link) {
  if (link.biases.empty()) return "none";
  return std::ranges::all_of(link.biases, [&](const auto& bias) { return is_adapted(link, bias.module); })
             ? "lora_only"
             : "all";
}

std::string bias_key(const Link& link, const std::string& module) {
  return is_adapted(link, module) ? peft_key_bias(module) : peft_key_plain_bias(module);
}

Json adapter_config(const Link& link, const std::string& base_model) {
  const auto rank =
      most_common<std::int64_t>(link.modules, [](const LoraModule& module) { return module.rank(); });
  const auto alpha = most_common<double>(link.modules, plain_alpha);
  Json ranks = Json::object();
  Json alphas = Json::object();
  std::vector<std::string> targets = link.target_modules;
  for (const auto& module : link.modules) {
    if (module.rank() != rank) ranks[module.name] = module.rank();
    if (plain_alpha(module) != alpha) alphas[module.name] = alpha_json(plain_alpha(module));
    if (link.target_modules.empty()) targets.push_back(module.name);
  }
  return {{"peft_type", "LORA"},
          {"task_type", "CAUSAL_LM"},
          {"base_model_name_or_path", base_model},
          {"r", rank},
          {"lora_alpha", alpha_json(alpha)},
          {"lora_dropout", 0.0},
          {"target_modules", targets},
          {"rank_pattern", ranks},
          {"alpha_pattern", alphas},
          {"bias", bias_kind(link)},
          {"fan_in_fan_out", false},
          {"init_lora_weights", true},
          {"inference_mode", true},
          {"layers_to_transform", nullptr},
          {"layers_pattern", nullptr},
          {"modules_to_save", nullptr}};
}

}  // namespace

void write_adapter(const std::filesystem::path& folder, const Link& link, const std::string& base_model) {
  std::vector<TensorToWrite> tensors;
  const auto add = [&](const std::string& key, const Matrix& matrix, bool is_vector) {
    const auto shape = is_vector ? std::vector<std::int64_t>{matrix.cols()}
                                 : std::vector<std::int64_t>{matrix.rows(), matrix.cols()};
    tensors.push_back(tensor_of_floats(key, shape, matrix.floats(), matrix.memory()));
  };
  for (const auto& module : link.modules) {
    add(peft_key_a(module.name), module.a, false);
    add(peft_key_b(module.name), module.b, false);
  }
  for (const auto& bias : link.biases) add(bias_key(link, bias.module), bias.value, true);
  write_safetensors(folder / "adapter_model.safetensors", tensors);
  write_text_file(folder / "adapter_config.json", adapter_config(link, base_model).dump(2) + "\n");
}

}  // namespace cola
