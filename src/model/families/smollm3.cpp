// SmolLM3 (Bakouch et al., 2025): Llama's block, of which some layers turn neither queries nor keys.
#include <fmt/format.h>

#include <array>

#include "core/error.h"
#include "model/families/llama_like.h"

namespace cola::families {
namespace {

constexpr std::array published{
    PublishedShape{"smollm3-3b", R"({"hidden_size": 2048, "num_hidden_layers": 36, "num_attention_heads": 16,
      "num_key_value_heads": 4, "intermediate_size": 11008, "vocab_size": 128256,
      "max_position_embeddings": 65536, "rope_theta": 5000000.0, "bos_token_id": 128000,
      "eos_token_id": 128012, "pad_token_id": 128004})"},
};

/// `no_rope_layers`: 1 has rotary, 0 has not, whatever the name says. Without it every
/// `no_rope_layer_interval`-th layer has none.
std::vector<bool> rotary_layers(const JsonReader& reader, std::int64_t layers) {
  std::vector<bool> rotary;
  if (!reader.has("no_rope_layers")) {
    const std::int64_t interval = positive(reader, "no_rope_layer_interval", max_width, 4);
    for (std::int64_t i = 0; i < layers; ++i) rotary.push_back((i + 1) % interval != 0);
    return rotary;
  }
  const Json& list = reader.at("no_rope_layers");
  if (!list.is_array() || std::ssize(list) < layers)  // what is more counts for nothing
    throw Error(fmt::format("{}: 'no_rope_layers' must be a list of one number for each of the {} layers",
                            reader.where(), layers));
  for (std::int64_t i = 0; i < layers; ++i) {
    const Json& entry = list[static_cast<std::size_t>(i)];
    if (entry != 0 && entry != 1)
      throw Error(fmt::format("{}: 'no_rope_layers' must hold 0 (no rotary) and 1", reader.where()));
    rotary.push_back(entry == 1);
  }
  return rotary;
}

DecoderSpec read(const JsonReader& reader) {
  DecoderSpec spec = read_llama_like(
      reader, {.num_key_value_heads = 4, .tie_word_embeddings = true, .pad_token_id = 128004}, "SmolLM3");
  read_rotary_table(reader, spec, {.theta = 2000000.0});
  read_attention_bias(reader, spec);
  read_mlp_bias(reader, spec);
  const std::vector<bool> rotary = rotary_layers(reader, spec.num_hidden_layers());
  spec.vary_blocks([&](std::int64_t index, BlockSpec& block) {
    if (!rotary[static_cast<std::size_t>(index)]) block.attention.rotary.reset();
  });
  if (!reader.boolean("use_sliding_window", false)) {
    require_none_slides(reader, spec);
    return spec;
  }
  const bool has_window = reader.has("sliding_window");
  const auto slides = [&](std::int64_t index) { return has_window && !spec.block(index).attention.rotary; };
  set_windows(reader, spec, sliding_layers(reader, spec, slides), std::nullopt);
  return spec;
}

Json config_of(const Family& family, const GgufFile& file, std::vector<std::string>& notes) {
  GgufConfig config(family, file, notes);
  config.read_common();
  config.read_rotary();
  config.json["no_rope_layer_interval"] = 4;
  config.note("no key says which layers do not turn by position: every fourth, as in llama.cpp");
  return config.take();
}

void keys_of(const DecoderSpec& spec, const Json& config, GgufMetadata& keys,
             std::vector<std::string>& notes) {
  for (std::int64_t index = 0; index < spec.num_hidden_layers(); ++index) {
    if (spec.block(index).attention.rotary.has_value() != ((index + 1) % 4 != 0))
      throw Error("GGUF has no key for layers without rotary other than every fourth");
  }
  llama_like_keys(spec, config, keys, notes);
}

constexpr GgufFamily gguf{.architecture = "smollm3",
                          .interleaved_rotary = true,
                          .windows = false,
                          .divides_rotary = false,
                          .config = config_of,
                          .keys = keys_of};

}  // namespace

extern const Family smollm3 =
    llama_like_family("smollm3", "SmolLM3ForCausalLM", "SmolLM3", published, read, &gguf, "chatml");

}  // namespace cola::families
