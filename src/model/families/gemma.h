#pragma once
#include "model/families/llama_like.h"

// What Gemma 2 and Gemma 3 share.
namespace cola {

/// Llama's decoder with Gemma's norms (around each sub-layer, weights from 0), GeGLU, scaled embeddings and
/// score scale. Rotary tables and windows are still to be read. Throws Error as read_llama_like does.
[[nodiscard]] DecoderSpec read_gemma(const JsonReader& reader, const std::string& family);

/// A cap, or the absent key's `fallback`; 0 for null.
[[nodiscard]] float soft_cap(const JsonReader& reader, const std::string& key, float fallback);

}  // namespace cola
