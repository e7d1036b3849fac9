#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "io/tensor_to_write.h"

namespace cola {

/// Writes one .safetensors file, metadata {"format": "pt"} plus `metadata`; header padded to 8 bytes;
/// fsync'ed. Throws Error (disk full, unwritable) and removes what it had written.
void write_safetensors(const std::filesystem::path& file, const std::vector<TensorToWrite>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

/// Writes model.safetensors, or shards of at most `max_shard_bytes` with model.safetensors.index.json
/// (Hugging Face's names: model-00001-of-00003.safetensors), into an existing folder.
void write_checkpoint(const std::filesystem::path& folder, const std::vector<TensorToWrite>& tensors,
                      std::int64_t max_shard_bytes);

}  // namespace cola
