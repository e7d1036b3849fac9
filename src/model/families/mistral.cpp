// Mistral (Jiang et al., 2023): Llama's block without biases, heads of any size. Of its models those without
// a sliding window.
#include <fmt/format.h>

#include <array>

#include "core/error.h"
#include "model/families/llama_like.h"

namespace cola::families {
namespace {

constexpr std::array<std::string_view, 2> targets{"q_proj", "v_proj"};

constexpr std::array published{
    PublishedShape{"mistral-7b-v0.3", R"({"hidden_size": 4096, "num_hidden_layers": 32,
      "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 32768,
      "max_position_embeddings": 32768, "rms_norm_eps": 1e-05, "rope_theta": 1000000.0,
      "sliding_window": null})"},
    PublishedShape{"mistral-nemo-12b", R"({"hidden_size": 5120, "num_hidden_layers": 40,
      "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 14336,
      "vocab_size": 131072, "max_position_embeddings": 131072, "rms_norm_eps": 1e-05,
      "rope_theta": 1000000.0, "sliding_window": null})"},
};

/// Absent it is 4096, null it is none; `layer_types` counts for nothing.
void require_no_window(const JsonReader& reader) {
  const bool absent = !reader.object().contains("sliding_window");
  if (!absent && !reader.has("sliding_window")) return;
  throw Error(
      fmt::format("{}: attention to a window of {} positions (sliding_window{}) is not supported: of "
                  "the Mistrals those with \"sliding_window\": null are",
                  reader.where(), absent ? 4096 : reader.integer("sliding_window"),
                  absent ? ", where the key is absent" : ""));
}

ModelConfig read(const JsonReader& reader) {
  ModelConfig config = read_llama_like(reader, {.num_key_value_heads = 8}, "Mistral");
  require_no_window(reader);
  return config;
}

Json write(const ModelConfig& config) {
  Json json = llama_like_json(config);
  json["sliding_window"] = nullptr;
  return json;
}

}  // namespace

extern const Family mistral{.model_type = "mistral",
                            .architecture = "MistralForCausalLM",
                            .name = "Mistral",
                            .blocks = "model.layers",
                            .ignored_tensors = {},
                            .default_targets = targets,
                            .published = published,
                            .read = read,
                            .write = write,
                            .parameters = llama_like_parameters};

}  // namespace cola::families
