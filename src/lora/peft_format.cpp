#include "lora/peft_format.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"
#include "io/tensor_source.h"

namespace cola {
namespace {

const std::string root = "base_model.model.";
const std::string suffix_a = ".lora_A.weight";
const std::string suffix_b = ".lora_B.weight";
constexpr std::int64_t max_rank = 1 << 16;

/// What adapter_config.json says of ranks and scales.
struct Scaling {
  std::set<double> ranks;  ///< r and those of rank_pattern; empty: not said
  double alpha = 0.0;
  std::map<std::string, double> alpha_pattern;  ///< by module name or the end of one
  bool rslora = false;

  [[nodiscard]] double alpha_of(const std::string& module) const {
    for (const auto& [key, value] : alpha_pattern) {
      if (module == key || module.ends_with("." + key)) return value;
    }
    return alpha;
  }
};

void refuse_variants(const JsonReader& config) {
  const std::string type = config.string("peft_type", "LORA");
  if (type != "LORA")
    throw Error(fmt::format("{}: peft_type '{}' is not supported: only LORA is", config.where(), type));
  for (const char* key : {"use_dora", "fan_in_fan_out", "lora_bias", "use_qalora"}) {
    if (config.boolean(key, false))
      throw Error(fmt::format("{}: '{}' is not supported", config.where(), key));
  }
  for (const char* key : {"modules_to_save", "trainable_token_indices"}) {
    if (config.has(key) && !config.at(key).empty()) {
      throw Error(
          fmt::format("{}: '{}' is not supported: cola reads lora_A and lora_B only", config.where(), key));
    }
  }
}

/// rank_pattern or alpha_pattern: values by module.
Json pattern_of(const JsonReader& config, const char* name) {
  if (!config.has(name)) return Json::object();
  return JsonReader(config.at(name), fmt::format("{}: {}", config.where(), name)).object();
}

Scaling read_scaling(const JsonReader& config) {
  Scaling scaling;
  scaling.alpha = config.number("lora_alpha");
  scaling.rslora = config.boolean("use_rslora", false);
  if (config.has("r")) scaling.ranks.insert(config.number("r"));
  const Json ranks = pattern_of(config, "rank_pattern");
  for (const auto& [key, value] : ranks.items()) {
    if (value.is_number()) scaling.ranks.insert(value.get<double>());
  }
  const Json alphas = pattern_of(config, "alpha_pattern");
  for (const auto& [key, value] : alphas.items()) {
    if (key.find_first_of("\\^$*+?[](){}|") != std::string::npos) {
      throw Error(fmt::format("{}: alpha_pattern '{}' is a regular expression, which is not supported",
                              config.where(), key));
    }
    if (!value.is_number())
      throw Error(fmt::format("{}: alpha_pattern '{}' is not a number", config.where(), key));
    scaling.alpha_pattern[key] = value.get<double>();
  }
  return scaling;
}

std::vector<std::string> read_target_modules(const JsonReader& config) {
  std::vector<std::string> names;
  if (!config.has("target_modules")) return names;
  const Json& list = config.at("target_modules");
  if (!list.is_array()) return names;
  for (const auto& entry : list) {
    if (entry.is_string()) names.push_back(entry.get<std::string>());
  }
  return names;
}

Matrix matrix_of(const SourceTensor& tensor, const std::string& key) {
  if (tensor.shape.empty() || tensor.shape.size() > 2) {
    throw Error(fmt::format("{}: tensor '{}' has {} dimensions, expected 1 or 2", tensor.file, key,
                            tensor.shape.size()));
  }
  Matrix matrix;
  matrix.resize(DType::f32, tensor.shape.size() == 2 ? tensor.shape[0] : 1, tensor.shape.back());
  read_as_f32(tensor, matrix.floats());
  return matrix;
}

void add_module(Link& link, const std::string& name, const TensorSource& source, const Scaling& scaling) {
  const auto& tensors = source.tensors();
  const auto a = tensors.find(peft_key_a(name));
  const auto b = tensors.find(peft_key_b(name));
  if (b == tensors.end()) throw Error(fmt::format("{}: '{}' has no lora_B", a->second.file, name));
  LoraModule module{name, matrix_of(a->second, a->first), matrix_of(b->second, b->first),
                    scaling.alpha_of(name), 0.0};
  const std::int64_t rank = module.rank();
  if (rank < 1 || rank > max_rank || module.b.cols() != rank) {
    throw Error(fmt::format("{}: '{}' has lora_A [{}, {}] and lora_B [{}, {}], which do not fit together",
                            a->second.file, name, module.a.rows(), module.a.cols(), module.b.rows(),
                            module.b.cols()));
  }
  const auto r = static_cast<double>(rank);
  if (!scaling.ranks.empty() && !scaling.ranks.contains(r)) {
    throw Error(fmt::format("{}: '{}' has rank {}, but adapter_config.json says {}", a->second.file, name,
                            rank, fmt::join(scaling.ranks, " or ")));
  }
  module.scale = module.alpha / (scaling.rslora ? std::sqrt(r) : r);
  link.modules.push_back(std::move(module));
}

/// The module of a bias key, "" if it is none: "<root><module>[.base_layer].bias".
std::string bias_module(const std::string& key) {
  if (!key.starts_with(root) || !key.ends_with(".bias")) return "";
  std::string name = key.substr(root.size(), key.size() - root.size() - std::string(".bias").size());
  if (const std::string wrapper = ".base_layer"; name.ends_with(wrapper))
    name.resize(name.size() - wrapper.size());
  return name;
}

/// PEFT adds the head's frozen weight to an adapter that has the head among its targets, as
/// "<root>lm_head.base_layer.weight". It is the base model's: only its shape is looked at.
bool is_copy_of_head(const std::string& key, const SourceTensor& tensor, const TensorSource& source) {
  if (key != root + "lm_head.base_layer.weight") return false;
  const auto& tensors = source.tensors();
  const auto a = tensors.find(peft_key_a("lm_head"));
  const auto b = tensors.find(peft_key_b("lm_head"));
  return a != tensors.end() && b != tensors.end() && !a->second.shape.empty() && !b->second.shape.empty() &&
         tensor.shape == std::vector{b->second.shape.front(), a->second.shape.back()};
}

}  // namespace

std::string peft_key_a(const std::string& module) { return root + module + suffix_a; }
std::string peft_key_b(const std::string& module) { return root + module + suffix_b; }
std::string peft_key_bias(const std::string& module) { return root + module + ".base_layer.bias"; }

Link read_adapter(const std::filesystem::path& folder) {
  const auto config_file = folder / "adapter_config.json";
  if (!std::filesystem::exists(config_file)) {
    throw Error(fmt::format("{}: no adapter_config.json: not a PEFT adapter folder", folder.string()));
  }
  const Json json = read_json_file(config_file);
  const JsonReader config(json, config_file.string());
  refuse_variants(config);
  const Scaling scaling = read_scaling(config);
  const auto safetensors = folder / "adapter_model.safetensors";
  const auto source = std::filesystem::exists(safetensors) ? open_safetensors(safetensors)
                                                           : open_torch_bin(folder / "adapter_model.bin");
  Link link;
  link.target_modules = read_target_modules(config);
  for (const auto& [key, tensor] : source->tensors()) {
    if (key.starts_with(root) && key.ends_with(suffix_a)) {
      add_module(link, key.substr(root.size(), key.size() - root.size() - suffix_a.size()), *source, scaling);
    } else if (key.starts_with(root) && key.ends_with(suffix_b)) {
      const auto name = key.substr(root.size(), key.size() - root.size() - suffix_b.size());
      if (!source->tensors().contains(peft_key_a(name)))
        throw Error(fmt::format("{}: '{}' has no lora_A", tensor.file, name));
    } else if (const auto module = bias_module(key); !module.empty()) {
      link.biases.push_back({module, matrix_of(tensor, key)});
    } else if (!is_copy_of_head(key, tensor, *source)) {
      throw Error(fmt::format("{}: tensor '{}' is not part of a LoRA adapter", tensor.file, key));
    }
  }
  if (link.modules.empty())
    throw Error(fmt::format("{}: the adapter has no lora_A and lora_B", folder.string()));
  return link;
}

}  // namespace cola
