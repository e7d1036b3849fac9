#pragma once
#include <array>
#include <functional>
#include <optional>

#include "model/families/common.h"
#include "model/families/gguf_config.h"
#include "model/families/gguf_keys.h"
#include "model/rope_config.h"

// The decoder of Llama, and of the families that change a part of it: RMS norms before attention and MLP,
// rotary queries and keys, heads that share keys and values, an MLP with a SiLU gate.
namespace cola {

/// What sets a family apart from Llama where config.json does not say it.
struct LlamaLike {
  std::int64_t num_key_value_heads = 0;  ///< 0: as many as attention heads
  bool null_key_value_heads = true;      ///< null means so too; else it is no number
  std::int64_t head_dim = 0;             ///< 0: hidden_size / num_attention_heads
  bool heads_divide_width = false;  ///< hidden_size must be a multiple of the heads, whatever head_dim is
  bool tie_word_embeddings = false;
  double rms_norm_eps = 1e-6;
  bool rounds_norms = true;        ///< NormSpec::rounds_before_weight; Llama's runs keep their bits
  std::int64_t pad_token_id = -1;  ///< -1: none
  std::string_view activation_key = "hidden_act";
  std::string_view activation = "silu";
};

/// Llama's decoder but for its rotary tables and biases; its blocks are of one kind. Throws Error naming a
/// key that is not supported or not sound; `family`: its name.
[[nodiscard]] DecoderSpec read_llama_like(const JsonReader& reader, const LlamaLike& defaults,
                                          const std::string& family);

/// The one rotary table of all blocks.
void read_rotary_table(const JsonReader& reader, DecoderSpec& spec, const RotaryRules& rules = {});

/// `attention_bias` of all four projections, and `mlp_bias`.
void read_attention_bias(const JsonReader& reader, DecoderSpec& spec);
void read_mlp_bias(const JsonReader& reader, DecoderSpec& spec);

/// Which blocks' attention slides by `layer_types`, else by `rule` of the block's index. Throws Error for a
/// list of another length, and for other types.
[[nodiscard]] std::vector<bool> sliding_layers(const JsonReader& reader, const DecoderSpec& spec,
                                               const std::function<bool(std::int64_t)>& rule);
/// Gives those blocks `sliding_window`, or `fallback` where the key is absent. Throws Error if one slides and
/// the window is null.
void set_windows(const JsonReader& reader, DecoderSpec& spec, const std::vector<bool>& sliding,
                 std::optional<std::int64_t> fallback);
/// Qwen's: with `use_sliding_window` the blocks from `max_window_layers` on.
void read_windows_from_layer(const JsonReader& reader, DecoderSpec& spec);
/// Throws Error where `layer_types` has a block slide though `use_sliding_window` is off.
void require_none_slides(const JsonReader& reader, const DecoderSpec& spec);

/// The names of transformers' Llama, and of the families that follow it, under `stem`: "model".
[[nodiscard]] std::vector<ParameterSpec> llama_like_parameters(const DecoderSpec& spec,
                                                               const std::string& stem);
[[nodiscard]] std::vector<ParameterSpec> llama_like_parameters(const DecoderSpec& spec);

/// What PEFT targets in most of these families, and the paper in all.
inline constexpr std::array<std::string_view, 2> query_and_value{"q_proj", "v_proj"};

/// What transformers before 4.31 stored with the weights.
inline constexpr std::array<std::string_view, 1> stored_rotary_tables{"rotary_emb.inv_freq"};

/// One of these families: with Llama's names of tensors.
constexpr Family llama_like_family(std::string_view model_type, std::string_view architecture,
                                   std::string_view name, std::span<const PublishedShape> published,
                                   DecoderSpec (*read)(const JsonReader&), const GgufFamily* gguf,
                                   std::string_view chat_template = "",
                                   std::span<const std::string_view> targets = query_and_value) {
  return {.model_type = model_type,
          .architecture = architecture,
          .name = name,
          .blocks = "model.layers",
          .ignored_tensors = stored_rotary_tables,
          .other_parts = {},
          .file_stems = {},
          .default_targets = targets,
          .chat_template = chat_template,
          .published = published,
          .gguf = gguf,
          .read = read,
          .parameters = llama_like_parameters};
}

}  // namespace cola
