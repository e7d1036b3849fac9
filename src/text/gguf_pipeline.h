#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"

namespace cola {

/// How the steps of a tokenizer.json are said in keys of a GGUF file.
struct GgufPipeline {
  bool byte_level = false;         ///< "gpt2", else "llama"
  std::string_view pre;            ///< of byte-level BPE
  bool add_space_prefix = false;   ///< of "llama"
  std::vector<std::string> notes;  ///< what is lost
};

/// `json` is the file without its vocabulary and merges (see TokenizerFile). Throws Error beginning with
/// `where` and naming the step that llama.cpp has not.
[[nodiscard]] GgufPipeline gguf_pipeline_of(const Json& json, const std::string& where);

}  // namespace cola
