// Gemma 3 (Gemma Team, 2025): Gemma 2's block with norms of queries and keys instead of capped scores, five
// blocks with windows and a rotary table of their own for each without; also the text part of the models that
// see images.
#include <array>

#include "core/error.h"
#include "model/families/gemma.h"

namespace cola::families {
namespace {

constexpr std::array published{
    PublishedShape{"gemma-3-270m", R"({"hidden_size": 640, "num_hidden_layers": 18, "num_attention_heads": 4,
      "num_key_value_heads": 1, "head_dim": 256, "intermediate_size": 2048, "vocab_size": 262144,
      "max_position_embeddings": 32768, "sliding_window": 512, "bos_token_id": 2, "eos_token_id": 1,
      "pad_token_id": 0})"},
    PublishedShape{"gemma-3-1b", R"({"hidden_size": 1152, "num_hidden_layers": 26, "num_attention_heads": 4,
      "num_key_value_heads": 1, "head_dim": 256, "intermediate_size": 6912, "vocab_size": 262144,
      "max_position_embeddings": 32768, "sliding_window": 512, "bos_token_id": 2, "eos_token_id": 1,
      "pad_token_id": 0})"},
};

/// What configurations leave out where it is the library's own.
const char* const library_defaults = R"({"vocab_size": 262208, "hidden_size": 2304, "intermediate_size": 9216,
  "num_hidden_layers": 26, "num_attention_heads": 8, "max_position_embeddings": 131072})";

DecoderSpec read_text(const Json& given, const std::string& where) {
  Json json = parse_json(library_defaults, where);
  json.update(given);
  const JsonReader reader(json, where);
  DecoderSpec spec = read_gemma(reader, "Gemma 3");
  AttentionSpec& attention = spec.block_kinds.front().attention;
  attention.head_norms = HeadNorms::each_head;
  attention.rotary = 0;
  spec.rotary_tables = read_rotary_by_attention(reader, attention.head_dim, spec.max_position_embeddings);
  spec.logit_soft_cap = soft_cap(reader, "final_logit_softcapping", 0.0F);
  const std::int64_t pattern = positive(reader, "sliding_window_pattern", max_width, 6);
  const auto sliding =
      sliding_layers(reader, spec, [=](std::int64_t index) { return (index + 1) % pattern != 0; });
  spec.vary_blocks([&](std::int64_t index, BlockSpec& block) {
    if (sliding[static_cast<std::size_t>(index)]) block.attention.rotary = 1;
  });
  set_windows(reader, spec, sliding, 4096);
  return spec;
}

DecoderSpec read(const JsonReader& reader) { return read_text(reader.object(), reader.where()); }

/// The head has no cap here, and is tied by the outer configuration.
DecoderSpec read_multimodal(const JsonReader& reader) {
  DecoderSpec spec = read_text(reader.at("text_config"), reader.where() + ": text_config");
  spec.logit_soft_cap = 0.0F;
  spec.tie_word_embeddings = reader.boolean("tie_word_embeddings", true);
  return spec;
}

std::vector<ParameterSpec> multimodal_parameters(const DecoderSpec& spec) {
  return llama_like_parameters(spec, "model.language_model");
}

constexpr std::array<std::string_view, 2> other_parts{"vision_tower", "multi_modal_projector"};

/// Of published files, which transformers still writes: with or without ".vision_model".
constexpr std::array file_stems{
    NameStem{"language_model.model.", "model.language_model."},
    NameStem{"language_model.lm_head.", "lm_head."},
    NameStem{"vision_tower.vision_model.", "model.vision_tower."},
    NameStem{"model.vision_tower.vision_model.", "model.vision_tower."},
    NameStem{"vision_tower.", "model.vision_tower."},
    NameStem{"multi_modal_projector.", "model.multi_modal_projector."},
};

Json config_of(const Family& family, const GgufFile& file, std::vector<std::string>& notes) {
  GgufConfig config(family, file, notes);
  config.read_common();
  config.read_rotary();
  read_gemma_keys(config, {.window = 0, .period = 6, .layers_of_largest = 62});
  config.json["rope_local_base_freq"] = config.find_number("rope.freq_base_swa").value_or(10000.0);
  const double cap = config.find_number("final_logit_softcapping").value_or(0.0);
  config.json["final_logit_softcapping"] = cap == 0.0 ? Json() : Json(cap);
  return config.take();
}

void keys_of(const DecoderSpec& spec, const Json& config, GgufMetadata& keys,
             std::vector<std::string>& notes) {
  llama_like_keys(spec, config, keys, notes);
  add_gemma_keys(spec, keys, {.window = 0, .period = 6, .layers_of_largest = 62});
  const RotarySpec& local = spec.rotary_tables.back();
  if (local.kind != RotarySpec::Kind::plain)
    throw Error("GGUF has no key for a stretched rotary table of layers with a window");
  keys.add("gemma3.rope.freq_base_swa", static_cast<float>(local.theta));
  if (spec.logit_soft_cap != 0.0F) keys.add("gemma3.final_logit_softcapping", spec.logit_soft_cap);
}

constexpr GgufFamily gguf{.architecture = "gemma3",
                          .interleaved_rotary = false,
                          .windows = true,
                          .divides_rotary = false,
                          .config = config_of,
                          .keys = keys_of};

}  // namespace

extern const Family gemma3_text =
    llama_like_family("gemma3_text", "Gemma3ForCausalLM", "Gemma 3", published, read, &gguf);

extern const Family gemma3{.model_type = "gemma3",
                           .architecture = "Gemma3ForConditionalGeneration",
                           .name = "Gemma 3 (text part)",
                           .blocks = "model.language_model.layers",
                           .ignored_tensors = {},
                           .other_parts = other_parts,
                           .file_stems = file_stems,
                           .default_targets = query_and_value,
                           .chat_template = {},
                           .published = {},
                           .gguf = nullptr,
                           .read = read_multimodal,
                           .parameters = multimodal_parameters};

}  // namespace cola::families
