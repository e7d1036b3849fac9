#pragma once
#include "model/families/llama_like.h"

// What Gemma 2 and Gemma 3 share.
namespace cola {

/// Llama's decoder with Gemma's norms (around each sub-layer, weights from 0), GeGLU, scaled embeddings and
/// score scale. Rotary tables and windows are still to be read. Throws Error as read_llama_like does.
[[nodiscard]] DecoderSpec read_gemma(const JsonReader& reader, const std::string& family);

/// A cap, or the absent key's `fallback`; 0 for null.
[[nodiscard]] float soft_cap(const JsonReader& reader, const std::string& key, float fallback);

/// What llama.cpp takes for a model whose GGUF file does not say it.
struct GemmaRules {
  std::int64_t window;             ///< 0: none
  std::int64_t period;             ///< of layers, the last of which has no window
  std::int64_t layers_of_largest;  ///< the model whose scores are scaled by hidden_size / heads
};

/// Of a GGUF file: windows by `attention.sliding_window` and the layers that have them, and the score scale,
/// which no key says.
void read_gemma_keys(GgufConfig& config, const GemmaRules& rules);
/// Throws Error for windows and a score scale that are not by these rules.
void add_gemma_keys(const DecoderSpec& spec, GgufMetadata& keys, const GemmaRules& rules);

}  // namespace cola
