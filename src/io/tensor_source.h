#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/dtype.h"

namespace cola {

/// One tensor of a checkpoint file: a view of memory-mapped (or decompressed) bytes, little-endian,
/// contiguous row-major; each row of a quantised one is whole blocks. `data` may be unaligned. Valid while
/// the TensorSource it came from lives.
struct SourceTensor {
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  const std::byte* data = nullptr;
  std::size_t bytes = 0;
  std::string file;     ///< where it came from, for messages
  bool mapped = false;  ///< whether `data` lies in a mapped file

  [[nodiscard]] std::int64_t size() const;
};

/// Named tensors of one file or of a sharded set. Every byte range was checked when it was opened.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  [[nodiscard]] virtual const std::map<std::string, SourceTensor>& tensors() const = 0;
};

/// Opens one .safetensors file (memory-mapped, never copied).
/// Throws Error naming file and cause: truncated, header too large, overlapping or out-of-range tensors, a
/// dtype that is not supported, sizes that do not match shapes, bytes that belong to no tensor, not JSON.
[[nodiscard]] std::unique_ptr<TensorSource> open_safetensors(const std::filesystem::path& file);

/// Opens one PyTorch .bin/.pt zip file with a restricted pickle reader: an (ordered) dict of tensors over
/// storages; any other global is refused by name. Nothing is executed. Storages stored uncompressed are used
/// in place from the memory-mapped file; others are decompressed.
[[nodiscard]] std::unique_ptr<TensorSource> open_torch_bin(const std::filesystem::path& file);

/// Opens a Hugging Face folder's weights: model.safetensors, else model.safetensors.index.json (sharded),
/// else pytorch_model.bin, else pytorch_model.bin.index.json. Throws Error if there is none, or a shard is
/// missing.
[[nodiscard]] std::unique_ptr<TensorSource> open_checkpoint(const std::filesystem::path& folder);

/// Lets the kernel take back the memory of a mapped tensor, for one that has been copied: its pages no longer
/// count as resident, and are read from the file again if they are needed.
void release_pages(const SourceTensor& tensor);

/// Converts all elements of a f32, f16, bf16 or quantised tensor (possibly unaligned) to float; `destination`
/// has tensor.size(). Throws Error if the sizes differ or the tensor holds integers.
void read_as_f32(const SourceTensor& tensor, std::span<float> destination);

/// The elements [begin, begin + destination.size()), which the tensor must have; of a quantised one whole
/// blocks.
void read_as_f32(const SourceTensor& tensor, std::int64_t begin, std::span<float> destination);

/// Throws Error naming file, tensor and element if one is NaN or infinite.
void require_finite(const std::string& name, const SourceTensor& tensor);

}  // namespace cola
