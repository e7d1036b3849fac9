#pragma once
#include <filesystem>
#include <string>

#include "io/json.h"
#include "model/decoder_spec.h"

namespace cola {

/// config.json of a Hugging Face folder or the file itself, or what a GGUF file's keys say in its terms.
[[nodiscard]] Json read_config_json(const std::filesystem::path& folder_or_file);
/// The same, read.
/// Throws Error naming the architecture or the key that is not supported or not sound.
[[nodiscard]] DecoderSpec read_model_config(const std::filesystem::path& folder_or_file);
[[nodiscard]] DecoderSpec parse_model_config(const Json& json, const std::string& where);

/// config.json of a published model of a family ("opt-125m", see model/family.h), or the file at a path (of a
/// folder, its config.json). Throws UsageError if it is neither.
[[nodiscard]] Json config_json_of_shape(const std::string& name_or_path);
/// The same, read.
[[nodiscard]] DecoderSpec spec_of_shape(const std::string& name_or_path);

}  // namespace cola
