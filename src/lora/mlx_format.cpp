#include "lora/mlx_format.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "io/printable.h"
#include "io/tensor_source.h"
#include "lora/adapter_tensors.h"

namespace cola {
namespace {

const std::string suffix_a = ".lora_a";
const std::string suffix_b = ".lora_b";

Matrix transposed(const Matrix& matrix) {
  Matrix result(DType::f32, matrix.cols(), matrix.rows());
  const auto from = matrix.floats();
  const auto to = result.floats();
  for (std::int64_t row = 0; row < matrix.rows(); ++row) {
    for (std::int64_t col = 0; col < matrix.cols(); ++col) {
      to[static_cast<std::size_t>(col * matrix.rows() + row)] =
          from[static_cast<std::size_t>(row * matrix.cols() + col)];
    }
  }
  return result;
}

void require_lora(const JsonReader& config) {
  const std::string type = config.string("fine_tune_type", "lora");
  if (type == "lora") return;
  throw Error(fmt::format(
      "{}: an mlx-lm adapter with the fine_tune_type '{}' is not supported: only lora is{}", config.where(),
      printable(type),
      type == "full" ? "; it holds weights, not a change (mlx_lm.fuse makes a model of it)" : ""));
}

bool is_look_up(const BaseTensors& base, const std::string& module) {
  const auto found = base.find(module + ".weight");
  return found != base.end() && found->second.use == BaseTensor::Use::look_up;
}

LoraModule read_module(const std::string& name, const SourceTensor& a, const TensorSource& source,
                       double scale) {
  const auto b = source.tensors().find(name + suffix_b);
  if (b == source.tensors().end())
    throw Error(fmt::format("{}: '{}' has no lora_b", a.file, printable(name)));
  LoraModule module{name, transposed(finite_matrix(a, name + suffix_a)),
                    transposed(finite_matrix(b->second, b->first)), 0.0, scale};
  module.alpha = scale * static_cast<double>(module.rank());
  check_module(module, a.file);
  return module;
}

}  // namespace

bool is_mlx_config(const JsonReader& config) {
  return !config.has("peft_type") && (config.has("fine_tune_type") || config.has("lora_parameters"));
}

Adapter read_mlx_adapter(const std::filesystem::path& folder, const Json& json, const BaseTensors* base) {
  const JsonReader config(json, (folder / "adapter_config.json").string());
  require_lora(config);
  const JsonReader parameters(config.at("lora_parameters"), config.where() + ": lora_parameters");
  const double scale = parameters.number("scale");
  if (!(scale > 0.0))
    throw Error(fmt::format("{}: 'scale' is {}: it must be positive", parameters.where(), scale));
  const auto file = folder / "adapters.safetensors";
  if (!std::filesystem::exists(file)) {
    throw Error(fmt::format("{}: adapter_config.json is mlx-lm's, and there is no adapters.safetensors",
                            folder.string()));
  }
  const auto source = open_safetensors(file);
  Adapter adapter;
  for (const auto& [key, tensor] : source->tensors()) {
    const bool is_b = key.ends_with(suffix_b);
    if (!is_b && !key.ends_with(suffix_a)) {
      throw Error(fmt::format("{}: tensor '{}' is not part of an mlx-lm LoRA adapter{}", tensor.file,
                              printable(key), key.ends_with(".m") ? ": DoRA is not supported" : ""));
    }
    const std::string name = key.substr(0, key.size() - suffix_a.size());
    if (is_b) {
      if (!source->tensors().contains(name + suffix_a))
        throw Error(fmt::format("{}: '{}' has no lora_a", tensor.file, printable(name)));
      continue;
    }
    const bool is_table = base == nullptr ? name.ends_with("embed_tokens") : is_look_up(*base, name);
    if (is_table)
      throw Error(fmt::format("{}: tensor '{}' is not supported: an adapter on the token table", tensor.file,
                              printable(key)));
    if (base != nullptr && !is_adaptable(*base, name + ".weight")) {
      throw Error(
          fmt::format("{}: tensor '{}' is for a layer that the model lacks: a name is expected as "
                      "'model.layers.0.self_attn.q_proj.lora_a'",
                      tensor.file, printable(key)));
    }
    adapter.link.modules.push_back(read_module(name, tensor, *source, scale));
  }
  if (adapter.link.modules.empty())
    throw Error(fmt::format("{}: the adapter has no lora_a and lora_b", file.string()));
  const std::string model = config.string("model", "");
  if (model.find("bit") != std::string::npos) {
    adapter.notes.push_back(
        fmt::format("note: {}: trained on '{}': if its weights are quantised, the adapter fits "
                    "unquantised ones only approximately",
                    config.where(), printable(model)));
  }
  return adapter;
}

}  // namespace cola
