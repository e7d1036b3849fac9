#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "io/tensor_source.h"
#include "model/model_config.h"

namespace cola {

/// Configuration and weights of a Hugging Face folder or a GGUF file, opened together.
struct BaseModel {
  DecoderSpec config;  ///< of what the file holds: untied where it has a head of its own
  std::unique_ptr<TensorSource> tensors;
  std::vector<std::string>
      notes;  ///< what a user should be told: where the file overrules config.json, or does not say
};

/// Throws Error as read_model_config, open_checkpoint, has_own_head and open_gguf_checkpoint do.
[[nodiscard]] BaseModel open_base_model(const std::filesystem::path& folder_or_gguf);

}  // namespace cola
