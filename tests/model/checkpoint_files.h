#pragma once
// Checkpoints to change before they are loaded: the tensors of a parity model as values in memory.
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "io/safetensors_writer.h"
#include "support/parity.h"

namespace cola::test {

struct TensorValues {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};
using Checkpoint = std::map<std::string, TensorValues>;

inline Checkpoint parity_checkpoint(const std::string& model) {
  Checkpoint tensors;
  const auto source = open_checkpoint(parity_folder(model));
  for (const auto& [name, tensor] : source->tensors())
    tensors[name] = {tensor.shape, floats_of(*source, name)};
  return tensors;
}

template <class Stored>
TensorToWrite tensor_as(const std::string& name, const TensorValues& tensor) {
  return {name, dtype_of<Stored>, tensor.shape, [&tensor](std::span<std::byte> bytes) {
            for (std::size_t i = 0; i < tensor.values.size(); ++i) {
              const auto stored = static_cast<Stored>(tensor.values[i]);
              std::memcpy(bytes.data() + i * sizeof(Stored), &stored, sizeof(Stored));
            }
          }};
}

/// model.safetensors of the given dtype, or shards where `max_shard_bytes` is small.
inline void write_tensors(const std::filesystem::path& folder, const Checkpoint& tensors,
                          DType dtype = DType::f32, std::int64_t max_shard_bytes = std::int64_t{1} << 40) {
  std::vector<TensorToWrite> list;
  for (const auto& [name, tensor] : tensors) {
    switch (dtype) {
      case DType::bf16:
        list.push_back(tensor_as<BFloat16>(name, tensor));
        break;
      case DType::f16:
        list.push_back(tensor_as<Float16>(name, tensor));
        break;
      default:
        list.push_back(tensor_as<float>(name, tensor));
    }
  }
  write_checkpoint(folder, list, max_shard_bytes);
}

}  // namespace cola::test
