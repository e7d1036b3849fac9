#pragma once
#include <cstddef>
#include <filesystem>
#include <vector>

#include "io/gguf/gguf_metadata.h"
#include "io/tensor_to_write.h"

namespace cola {

/// Writes one GGUF file, version 3, with PyTorch's shapes ([out, in]): the keys, then the tensors in their
/// order, each padded to 32 bytes; `keys` has no general.alignment. It appears under its name when it is
/// complete (DurableFile); one tensor at a time is in memory. Throws Error naming file and tensor for names
/// that are empty, occur twice or are longer than 63 bytes, for more than 4 dimensions or extents below 1,
/// and as DurableFile and TensorToWrite do.
void write_gguf(const std::filesystem::path& file, const GgufMetadata& keys,
                const std::vector<TensorToWrite>& tensors);

/// The bytes of a file without tensors.
[[nodiscard]] std::vector<std::byte> gguf_bytes(const GgufMetadata& keys);

}  // namespace cola
