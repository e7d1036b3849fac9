#pragma once
#include "model/families/common.h"

// The decoder of Llama, and of the families that change a part of it: RMS norms before attention and MLP,
// rotary queries and keys, heads that share keys and values, an MLP with a SiLU gate.
namespace cola {

/// What these families take where config.json does not say it.
struct LlamaLikeDefaults {
  std::int64_t num_key_value_heads = 0;  ///< 0: as many as attention heads
  std::int64_t head_dim = 0;             ///< 0: hidden_size / num_attention_heads
  bool tie_word_embeddings = false;
  double rope_theta = 10000.0;
};

/// All but the biases, which have other keys in each family. Throws Error naming a key that is not supported
/// or not sound.
[[nodiscard]] ModelConfig read_llama_like(const JsonReader& reader, const LlamaLikeDefaults& defaults,
                                          const std::string& family);

/// The keys that read_llama_like reads, but for those of huggingface_config().
[[nodiscard]] Json llama_like_json(const ModelConfig& config);

/// Llama's names; with norms of the heads of queries and keys where the configuration has them.
[[nodiscard]] std::vector<ParameterSpec> llama_like_parameters(const ModelConfig& config);

/// Throws Error where layers attend to a window: `use_sliding_window` with a `sliding_window`, or
/// `layer_types` that are not full attention or not one for each layer.
void require_full_attention(const JsonReader& reader, const ModelConfig& config);

}  // namespace cola
