#include "model/families/gguf_keys.h"

#include <fmt/format.h>

#include <cmath>

#include "core/error.h"
#include "model/family.h"
#include "model/rotary_table.h"

namespace cola {
namespace {

std::uint32_t count(std::int64_t value) { return static_cast<std::uint32_t>(value); }

void add_scaling(const RotarySpec& rotary, const GgufFamily& family, GgufMetadata& keys) {
  const auto key = [&](std::string_view name) {
    return fmt::format("{}.rope.scaling.{}", family.architecture, name);
  };
  switch (rotary.kind) {
    case RotarySpec::Kind::plain:
    case RotarySpec::Kind::longrope:
      return;
    case RotarySpec::Kind::llama3:  // a tensor says it: gguf_rotary_tensors
      if (!family.divides_rotary)
        throw Error(fmt::format("llama.cpp has no rope type llama3 for {} models", family.architecture));
      return;
    case RotarySpec::Kind::linear:
      keys.add(key("type"), std::string_view("linear"));
      keys.add(key("factor"), static_cast<float>(rotary.factor));
      return;
    case RotarySpec::Kind::yarn:
      break;
  }
  if (!rotary.truncate) throw Error("GGUF has no key for YaRN without truncation (truncate false)");
  keys.add(key("type"), std::string_view("yarn"));
  keys.add(key("factor"), static_cast<float>(rotary.factor));
  keys.add(key("original_context_length"), count(rotary.original_max_position_embeddings));
  keys.add(key("yarn_beta_fast"), static_cast<float>(rotary.beta_fast));
  keys.add(key("yarn_beta_slow"), static_cast<float>(rotary.beta_slow));
  const double own = rotary.factor <= 1.0 ? 1.0 : 0.1 * std::log(rotary.factor) + 1.0;  // llama.cpp's
  const double attention = rotary_attention_factor(rotary);
  if (attention != own) keys.add(key("attn_factor"), static_cast<float>(attention / own));
}

void note_windows(const DecoderSpec& spec, std::vector<std::string>& notes) {
  for (const std::int64_t window : spec.windows()) {
    if (window == 0 || window >= spec.max_position_embeddings) continue;
    notes.push_back(fmt::format(
        "note: llama.cpp has no windows for such models: it is the same model for texts of up to {} "
        "tokens only",
        window));
  }
}

}  // namespace

void llama_like_keys(const DecoderSpec& spec, const Json& /*config*/, GgufMetadata& keys,
                     std::vector<std::string>& notes) {
  const GgufFamily& family = *spec.family->gguf;
  const BlockSpec& block = spec.block(0);
  const AttentionSpec& attention = block.attention;
  const auto add = [&](std::string_view name, const GgufValue& value) {
    keys.add(fmt::format("{}.{}", family.architecture, name), value);
  };
  keys.add("general.architecture", family.architecture);
  keys.add("general.type", std::string_view("model"));
  add("vocab_size", count(spec.vocab_size));
  add("context_length", count(spec.max_position_embeddings));
  add("embedding_length", count(spec.hidden_size));
  add("block_count", count(spec.num_hidden_layers()));
  add("feed_forward_length", count(block.mlp.intermediate_size));
  add("attention.head_count", count(attention.num_attention_heads));
  add("attention.head_count_kv", count(attention.num_key_value_heads));
  add("attention.key_length", count(attention.head_dim));
  add("attention.value_length", count(attention.head_dim));
  add("attention.layer_norm_rms_epsilon", block.norm.epsilon);
  const RotarySpec& rotary = spec.rotary_tables.front();
  add("rope.dimension_count", count(rotary.rotary_dim));
  add("rope.freq_base", static_cast<float>(rotary.theta));
  add_scaling(rotary, family, keys);
  if (!family.windows) note_windows(spec, notes);
}

}  // namespace cola
