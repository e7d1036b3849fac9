#include "model/families/gguf_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/error.h"
#include "io/printable.h"
#include "model/families/gguf_rotary.h"

namespace cola {
namespace {

constexpr std::array<std::string_view, 5> of_no_meaning{"vocab_size", "tensor_data_layout", "pooling_type",
                                                        "use_parallel_residual", "attention.causal"};

}  // namespace

Json common_gguf_config(const Family& family, const GgufFile& file, std::vector<std::string>& notes) {
  GgufConfig config(family, file, notes);
  config.read_common();
  config.read_rotary();
  return config.take();
}

double shortest(float value) { return std::stod(fmt::format("{}", value)); }

Json layer_types(const std::vector<bool>& sliding) {
  Json types = Json::array();
  for (const bool slides : sliding) types.push_back(slides ? "sliding_attention" : "full_attention");
  return types;
}

GgufConfig::GgufConfig(const Family& family, const GgufFile& file, std::vector<std::string>& notes)
    : file_(file), architecture_(family.gguf->architecture), notes_(notes) {
  json["model_type"] = family.model_type;
  for (const std::string_view key : {"expert_count", "expert_used_count"}) {
    if (find_count(key).value_or(0) > 0) refuse(key, "mixtures of experts are not supported");
  }
  const bool* causal = file_.keys().find<bool>(full("attention.causal"));
  if (causal != nullptr && !*causal) refuse("attention.causal", "only causal attention is supported");
}

std::string GgufConfig::full(std::string_view key) const { return fmt::format("{}.{}", architecture_, key); }

bool GgufConfig::has(std::string_view key) const { return file_.keys().has(full(key)); }

void GgufConfig::refuse(std::string_view key, const std::string& why) const {
  throw Error(fmt::format("{}: key '{}': {}", file_.keys().where(), full(key), why));
}

void GgufConfig::note(const std::string& text) {
  notes_.push_back(fmt::format("note: {}: {}", file_.keys().where(), text));
}

std::optional<std::int64_t> GgufConfig::find_count(std::string_view key) {
  read_.emplace(key);
  const auto* value = file_.keys().find<std::uint32_t>(full(key));
  return value == nullptr ? std::nullopt : std::optional<std::int64_t>(*value);
}

std::int64_t GgufConfig::count(std::string_view key) {
  read_.emplace(key);
  return file_.keys().at<std::uint32_t>(full(key));
}

std::optional<double> GgufConfig::find_number(std::string_view key) {
  read_.emplace(key);
  const auto* value = file_.keys().find<float>(full(key));
  if (value == nullptr) return std::nullopt;
  if (!std::isfinite(*value)) refuse(key, fmt::format("it is {}", *value));
  return shortest(*value);
}

std::string GgufConfig::text(std::string_view key, std::string_view fallback) {
  read_.emplace(key);
  return std::string(file_.keys().get<std::string_view>(full(key), fallback));
}

std::optional<std::int64_t> GgufConfig::find_count_or_list(std::string_view key) {
  const GgufValue* value = file_.keys().value(full(key));
  if (value == nullptr || !std::holds_alternative<GgufArray>(*value)) return find_count(key);
  read_.emplace(key);
  std::vector<std::int64_t> counts;
  if (std::get<GgufArray>(*value).element_type == GgufValue(std::int32_t{}).index()) {
    const auto list = file_.keys().numbers<std::int32_t>(full(key));
    counts.assign(list->begin(), list->end());
  } else {
    const auto list = file_.keys().numbers<std::uint32_t>(full(key));
    counts.assign(list->begin(), list->end());
  }
  if (counts.empty() || std::ranges::any_of(counts, [&](auto each) { return each != counts.front(); }))
    refuse(key, "layers of different sizes are not supported");
  return counts.front();
}

void GgufConfig::read_sizes() {
  json["num_hidden_layers"] = count("block_count");
  json["max_position_embeddings"] = count("context_length");
  const std::int64_t width = count("embedding_length");
  json["hidden_size"] = width;
  const auto inner = find_count_or_list("feed_forward_length");
  const auto heads = find_count_or_list("attention.head_count");
  if (!inner) (void)count("feed_forward_length");
  if (!heads) (void)count("attention.head_count");
  if (*heads == 0) refuse("attention.head_count", "it is 0");
  json["intermediate_size"] = *inner;
  json["num_attention_heads"] = *heads;
  json["num_key_value_heads"] = find_count_or_list("attention.head_count_kv").value_or(*heads);
  const auto key_length = find_count("attention.key_length");
  const auto value_length = find_count("attention.value_length");
  if (key_length.value_or(width / *heads) != value_length.value_or(width / *heads))
    refuse("attention.value_length", "values of another size than keys are not supported");
  json["head_dim"] = key_length.value_or(width / *heads);
}

std::int64_t GgufConfig::head_dim() const { return json["head_dim"].get<std::int64_t>(); }

void GgufConfig::read_special_tokens() {
  for (const auto& [name, key] : {std::pair{"bos_token_id", "tokenizer.ggml.bos_token_id"},
                                  std::pair{"eos_token_id", "tokenizer.ggml.eos_token_id"},
                                  std::pair{"pad_token_id", "tokenizer.ggml.padding_token_id"}}) {
    const auto* id = file_.keys().find<std::uint32_t>(key);
    json[name] = id == nullptr ? Json() : Json(*id);
  }
}

void GgufConfig::read_common() {
  read_sizes();
  if (!has("attention.layer_norm_rms_epsilon"))
    (void)file_.keys().at<float>(full("attention.layer_norm_rms_epsilon"));
  json["rms_norm_eps"] = *find_number("attention.layer_norm_rms_epsilon");
  const SourceTensor* table = file_.find("token_embd.weight");
  if (table == nullptr || table->shape.size() != 2)
    throw Error(fmt::format("{}: tensor 'token_embd.weight' is missing, or no matrix", file_.keys().where()));
  json["vocab_size"] = table->shape.front();
  json["tie_word_embeddings"] = file_.find("output.weight") == nullptr;
  read_special_tokens();
  const auto has_any = [&](std::initializer_list<std::string_view> ends) {
    return std::ranges::any_of(ends, [&](std::string_view end) { return has_tensor(end); });
  };
  json["attention_bias"] =
      has_any({"attn_q.bias", "attn_k.bias", "attn_v.bias", "attn_qkv.bias", "attn_output.bias"});
  json["mlp_bias"] = has_any({"ffn_gate.bias", "ffn_up.bias", "ffn_down.bias"});
}

std::vector<float> GgufConfig::tensor(const std::string& name) const {
  const SourceTensor* found = file_.find(name);
  if (found == nullptr) return {};
  std::vector<float> values(static_cast<std::size_t>(found->size()));
  require_finite(name, *found);
  read_as_f32(*found, values);
  return values;
}

bool GgufConfig::has_tensor(std::string_view end) const {
  return std::ranges::any_of(file_.order(), [&](const std::string& name) { return name.ends_with(end); });
}

void GgufConfig::read_rotary() {
  const double theta = find_number("rope.freq_base").value_or(10000.0);
  json["rope_theta"] = theta;
  if (find_count("rope.dimension_count").value_or(head_dim()) != head_dim())
    refuse("rope.dimension_count", fmt::format("it is not the head size {}", head_dim()));
  read_.emplace("rope.scaling.finetuned");  // what the model was trained with; nothing is computed by it
  const std::vector<float> factors = tensor("rope_freqs.weight");
  read_scaling();
  if (factors.empty()) return;
  if (json.contains("rope_scaling"))
    throw Error(fmt::format("{}: 'rope_freqs.weight' and rope.scaling.type are not supported together",
                            file_.keys().where()));
  const auto scaling = llama3_scaling(factors, theta, head_dim());
  if (!scaling) {
    throw Error(fmt::format("{}: the factors in 'rope_freqs.weight' are not those of rope type llama3",
                            file_.keys().where()));
  }
  json["rope_scaling"] = *scaling;
}

/// Of llama.cpp: without a type a factor is linear; its attention factor of YaRN is
/// `rope.scaling.attn_factor` times 0.1 ln(factor) + 1, whatever `yarn_attn_factor` says.
void GgufConfig::read_scaling() {
  const std::string type = text("rope.scaling.type", "linear");
  const double old_factor = find_number("rope.scale_linear").value_or(0.0);
  const double given = find_number("rope.scaling.factor").value_or(old_factor);
  const double factor = given == 0.0 ? 1.0 : given;
  const auto original = find_count("rope.scaling.original_context_length");
  const double attention = find_number("rope.scaling.attn_factor").value_or(1.0);
  if (type == "none" || (type == "linear" && factor == 1.0)) {
    if (attention != 1.0) refuse("rope.scaling.attn_factor", "it is there without a type that it belongs to");
    return;
  }
  if (type == "linear" && attention == 1.0) {
    json["rope_scaling"] = {{"rope_type", "linear"}, {"factor", factor}};
    return;
  }
  if (type != "yarn") refuse("rope.scaling.type", fmt::format("'{}' is not supported here", printable(type)));
  const double extrapolation = find_number("rope.scaling.yarn_ext_factor").value_or(1.0);
  if (extrapolation != 1.0) refuse("rope.scaling.yarn_ext_factor", "only 1 is supported");
  if (find_number("rope.scaling.yarn_log_multiplier").value_or(0.0) != 0.0)
    refuse("rope.scaling.yarn_log_multiplier", "it is not supported");
  if (find_number("rope.scaling.yarn_attn_factor").value_or(1.0) != 1.0)
    note("rope.scaling.yarn_attn_factor does not count, as in llama.cpp");
  Json& scaling = json["rope_scaling"];
  scaling = {{"rope_type", "yarn"}, {"factor", factor}};
  scaling["original_max_position_embeddings"] =
      original.value_or(json["max_position_embeddings"].get<std::int64_t>());
  scaling["beta_fast"] = find_number("rope.scaling.yarn_beta_fast").value_or(32.0);
  scaling["beta_slow"] = find_number("rope.scaling.yarn_beta_slow").value_or(1.0);
  if (attention != 1.0)
    scaling["attention_factor"] = attention * (factor <= 1.0 ? 1.0 : 0.1 * std::log(factor) + 1.0);
}

std::vector<bool> GgufConfig::sliding_layers(std::int64_t period) {
  constexpr std::string_view key = "attention.sliding_window_pattern";
  read_.emplace(key);
  const auto layers = json["num_hidden_layers"].get<std::int64_t>();
  const GgufValue* value = file_.keys().value(full(key));
  if (value != nullptr && std::holds_alternative<GgufArray>(*value)) {
    auto sliding = *file_.keys().numbers<bool>(full(key));
    if (std::ssize(sliding) != layers) refuse(key, fmt::format("it is not of {} layers", layers));
    return sliding;
  }
  if (value != nullptr) {
    period = count(key);
  } else {
    note(fmt::format("no key says which layers slide: all but every {}, as in llama.cpp",
                     period == 2 ? "second one" : fmt::format("{}th", period)));
  }
  std::vector<bool> sliding;
  for (std::int64_t i = 0; i < layers; ++i) sliding.push_back(period == 0 || i % period < period - 1);
  return sliding;
}

Json GgufConfig::take() {
  const std::string prefix = full("");
  std::vector<std::string> unread;
  for (const auto& [key, value] : file_.keys().all()) {
    if (!key.starts_with(prefix)) continue;
    const std::string_view rest = std::string_view(key).substr(prefix.size());
    if (!read_.contains(rest) && std::ranges::find(of_no_meaning, rest) == of_no_meaning.end())
      unread.push_back(printable(key));
  }
  if (!unread.empty())
    note(fmt::format("keys that are not known here do not count: {}", fmt::join(unread, ", ")));
  return std::move(json);
}

}  // namespace cola
