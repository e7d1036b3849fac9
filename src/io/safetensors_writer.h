#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/memory.h"

namespace cola {

/// One tensor to write. `fill` is called once, in the order of the vector, with a buffer of exactly
/// size_of(dtype) * product(shape) bytes: so that a whole model need not be in memory at once.
struct TensorToWrite {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::function<void(std::span<std::byte>)> fill;

  [[nodiscard]] std::size_t bytes() const;
};

/// A TensorToWrite over f32 values of `memory` that outlive the call to the writer.
[[nodiscard]] TensorToWrite tensor_of_floats(std::string name, std::vector<std::int64_t> shape,
                                             std::span<const float> values, Memory& memory = host_memory());

/// Writes one .safetensors file, metadata {"format": "pt"} plus `metadata`; header padded to 8 bytes;
/// fsync'ed. Throws Error (disk full, unwritable) and removes what it had written.
void write_safetensors(const std::filesystem::path& file, const std::vector<TensorToWrite>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

/// Writes model.safetensors, or shards of at most `max_shard_bytes` with model.safetensors.index.json
/// (Hugging Face's names: model-00001-of-00003.safetensors), into an existing folder.
void write_checkpoint(const std::filesystem::path& folder, const std::vector<TensorToWrite>& tensors,
                      std::int64_t max_shard_bytes);

}  // namespace cola
