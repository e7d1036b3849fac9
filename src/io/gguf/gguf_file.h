#pragma once
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "io/gguf/gguf_keys.h"
#include "io/memory_map.h"
#include "io/tensor_source.h"

namespace cola {

/// A GGUF file, or the files of a split one: keys, and tensors under their own names with PyTorch's shapes
/// ([out, in]). Memory-mapped; views are valid while it lives. See docs/gguf.md.
class GgufFile final : public TensorSource {
 public:
  /// Of a split model the first file, NAME-00001-of-0000N.gguf; the others lie beside it. Throws Error naming
  /// file and field: not GGUF, another version or byte order, truncated; sizes, counts or offsets that the
  /// file has no room for, that leave gaps or overlap; names that are empty, too long or occur twice; a
  /// tensor type that is not supported; files of a split that are missing or do not belong together.
  explicit GgufFile(const std::filesystem::path& file);
  /// The bytes of one file, which outlive it; `name` stands for it in messages.
  GgufFile(std::span<const std::byte> bytes, const std::string& name);

  [[nodiscard]] const GgufKeys& keys() const { return keys_; }
  [[nodiscard]] const std::map<std::string, SourceTensor>& tensors() const override { return tensors_; }
  /// Names of the tensors in the order of the file.
  [[nodiscard]] const std::vector<std::string>& order() const { return order_; }
  /// Null if there is none.
  [[nodiscard]] const SourceTensor* find(const std::string& name) const;

 private:
  void add(std::vector<std::pair<std::string, SourceTensor>> tensors);

  std::vector<MemoryMap> maps_;
  GgufKeys keys_;
  std::map<std::string, SourceTensor> tensors_;
  std::vector<std::string> order_;
};

/// Whether a path names a GGUF file: by its ending, .gguf, unless it is a folder, or by how the file begins.
[[nodiscard]] bool is_gguf_file(const std::filesystem::path& path);

}  // namespace cola
