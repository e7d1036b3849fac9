#pragma once
#include <array>

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
  double rms_norm_eps = 1e-6;
};

/// All but the biases, which have other keys in each family; its blocks are of one kind. Throws Error naming
/// a key that is not supported or not sound.
[[nodiscard]] DecoderSpec read_llama_like(const JsonReader& reader, const LlamaLikeDefaults& defaults,
                                          const std::string& family);

/// Llama's names; with norms of the heads of queries and keys where the blocks have them.
[[nodiscard]] std::vector<ParameterSpec> llama_like_parameters(const DecoderSpec& spec);

/// Throws Error where layers attend to less than all positions before them: `layer_types` that are not full
/// attention, or without that list `use_sliding_window` from `first_sliding_layer` on.
void require_full_attention(const JsonReader& reader, const DecoderSpec& spec,
                            std::int64_t first_sliding_layer);
/// Throws Error for a window that is shorter than the model's longest sequence; a longer one hides nothing.
void require_no_shorter_window(const JsonReader& reader, const DecoderSpec& spec, std::int64_t window);

/// What PEFT targets in most of these families, and the paper in all.
inline constexpr std::array<std::string_view, 2> query_and_value{"q_proj", "v_proj"};

/// One of these families: with Llama's names of tensors.
constexpr Family llama_like_family(std::string_view model_type, std::string_view architecture,
                                   std::string_view name, std::span<const PublishedShape> published,
                                   DecoderSpec (*read)(const JsonReader&)) {
  return {.model_type = model_type,
          .architecture = architecture,
          .name = name,
          .blocks = "model.layers",
          .ignored_tensors = {},
          .default_targets = query_and_value,
          .published = published,
          .read = read,
          .parameters = llama_like_parameters};
}

}  // namespace cola
