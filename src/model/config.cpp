#include "model/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <stdexcept>

#include "core/error.h"
#include "model/family.h"

namespace cola {
namespace {

/// The only entry of `architectures`, or its first; empty if there is none.
std::string architecture_of(const JsonReader& reader) {
  if (!reader.has("architectures")) return "";
  const Json& list = reader.at("architectures");
  return list.is_array() && !list.empty() && list[0].is_string() ? list[0].get<std::string>() : "";
}

ModelConfig parse_as(const Family& family, const JsonReader& reader) {
  ModelConfig config = family.read(reader);
  config.family = &family;
  return config;
}

std::string huggingface_dtype(DType dtype) {
  return dtype == DType::bf16 ? "bfloat16" : dtype == DType::f16 ? "float16" : "float32";
}

}  // namespace

ModelConfig parse_model_config(const Json& json, const std::string& where) {
  const JsonReader reader(json, where);
  const std::string type = reader.string("model_type", "");
  const std::string architecture = architecture_of(reader);
  if (const Family* family = find_family(type, architecture)) return parse_as(*family, reader);
  std::vector<std::string_view> names;
  for (const Family* family : all_families()) names.push_back(family->name);
  const std::string_view last = names.back();
  names.pop_back();
  throw Error(
      fmt::format("{}: architecture '{}' (model_type '{}') is not supported: cola trains {} and {} models",
                  where, architecture, type, fmt::join(names, ", "), last));
}

ModelConfig read_model_config(const std::filesystem::path& folder_or_file) {
  const bool is_folder = std::filesystem::is_directory(folder_or_file);
  const auto file = is_folder ? folder_or_file / "config.json" : folder_or_file;
  return parse_model_config(read_json_file(file), file.string());
}

ModelConfig config_of_shape(const std::string& name_or_file) {
  std::vector<std::string_view> names;
  for (const Family* family : all_families()) {
    for (const auto& [name, text] : family->published) {
      names.push_back(name);
      if (name_or_file != name) continue;
      const Json json = parse_json(text, name_or_file);
      return parse_as(*family, JsonReader(json, name_or_file));
    }
  }
  if (std::filesystem::exists(name_or_file)) return read_model_config(name_or_file);
  throw UsageError(fmt::format("unknown shape '{}': use a config.json or one of {}", name_or_file,
                               fmt::join(names, ", ")));
}

Json huggingface_config(const ModelConfig& config, DType file_dtype) {
  Json json{{"architectures", {config.family->architecture}},
            {"model_type", config.family->model_type},
            {"vocab_size", config.vocab_size},
            {"hidden_size", config.hidden_size},
            {"num_hidden_layers", config.num_hidden_layers},
            {"num_attention_heads", config.num_attention_heads},
            {"max_position_embeddings", config.max_position_embeddings},
            {"tie_word_embeddings", config.tie_word_embeddings},
            {"torch_dtype", huggingface_dtype(file_dtype)},
            {"use_cache", true}};
  json.update(config.family->write(config));
  return json;
}

std::int64_t ParameterSpec::size() const {
  std::int64_t product = 1;
  for (const std::int64_t extent : shape) product *= extent;
  return product;
}

std::vector<ParameterSpec> parameter_specs(const ModelConfig& config) {
  return config.family->parameters(config);
}

std::int64_t parameter_count(const ModelConfig& config) {
  std::int64_t count = 0;
  for (const auto& spec : parameter_specs(config)) count += spec.size();
  return count;
}

ParameterSpec parameter_of(const ModelConfig& config, ParameterRole role, std::int64_t block) {
  const auto specs = parameter_specs(config);
  const auto found = std::ranges::find_if(
      specs, [=](const auto& spec) { return spec.role == role && spec.block == block && !spec.bias; });
  if (found == specs.end()) throw std::out_of_range("the model has no parameter of this role");
  return *found;
}

ParameterSpec head_spec(ModelConfig config) {
  config.tie_word_embeddings = false;
  return parameter_of(config, ParameterRole::head);
}

std::vector<ParameterSpec> linear_specs(const ModelConfig& config) {
  auto specs = parameter_specs(config);
  std::erase_if(specs, [](const auto& spec) { return !spec.is_matrix() || spec.is_table(); });
  if (config.tie_word_embeddings) specs.push_back(head_spec(config));
  return specs;
}

std::string block_prefix(const ModelConfig& config, std::int64_t index) {
  return fmt::format("{}.{}", config.family->blocks, index);
}

std::vector<std::string> block_linear_names(const ModelConfig& config) {
  const std::size_t prefix = block_prefix(config, 0).size() + 1;
  std::vector<std::string> names;
  for (const auto& spec : linear_specs(config)) {
    if (spec.block == 0) names.push_back(spec.module().substr(prefix));
  }
  return names;
}

}  // namespace cola
