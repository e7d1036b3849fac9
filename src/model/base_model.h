#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "io/tensor_source.h"
#include "model/model_config.h"

namespace cola {

/// A Hugging Face folder's configuration and weights, opened together.
struct BaseModel {
  DecoderSpec config;  ///< of what the file holds: untied where it has a head of its own
  std::unique_ptr<TensorSource> tensors;
  std::vector<std::string> notes;  ///< what a user should be told: where the file overrules config.json
};

/// Throws Error as read_model_config, open_checkpoint and has_own_head do.
[[nodiscard]] BaseModel open_base_model(const std::filesystem::path& folder);

}  // namespace cola
