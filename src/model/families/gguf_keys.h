#pragma once
#include <string>
#include <vector>

#include "model/gguf_family.h"

// The keys that the families' GGUF files have in common, to be written.
namespace cola {

/// GgufFamily::keys of Llama, and the part of the others' that is alike: `general.architecture` and type,
/// sizes, heads, norms, rotary tables of all kinds but longrope.
void llama_like_keys(const DecoderSpec& spec, const Json& config, GgufMetadata& keys,
                     std::vector<std::string>& notes);

}  // namespace cola
