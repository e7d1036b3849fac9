#include <fmt/format.h>

#include <array>
#include <cstring>
#include <deque>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "io/checked_size.h"
#include "io/memory_map.h"
#include "io/printable.h"
#include "io/tensor_source.h"
#include "io/torch_pickle.h"
#include "io/zip_archive.h"

namespace cola {
namespace {

class TorchFile final : public TensorSource {
 public:
  explicit TorchFile(const std::filesystem::path& file);
  [[nodiscard]] const std::map<std::string, SourceTensor>& tensors() const override { return tensors_; }

 private:
  void check_signature() const;
  [[nodiscard]] SourceTensor load(const PickledTensor& tensor, const ZipArchive& archive,
                                  const std::string& where);
  [[nodiscard]] std::span<const std::byte> storage(const std::string& key, std::int64_t bytes,
                                                   const ZipArchive& archive, const std::string& where);
  [[nodiscard]] std::span<const std::byte> bytes_of(const std::string& entry, const ZipArchive& archive);
  [[nodiscard]] std::span<const std::byte> gather(const PickledTensor& tensor,
                                                  std::span<const std::byte> storage,
                                                  std::size_t element_size, const std::string& where);

  std::string file_;
  MemoryMap map_;
  std::string folder_;  ///< of the entries: "archive/"
  std::deque<std::vector<std::byte>> owned_;
  std::map<std::string, std::span<const std::byte>> storages_;
  std::size_t gathered_bytes_ = 0;
  std::map<std::string, SourceTensor> tensors_;
};

std::optional<DType> dtype_of_storage(std::string_view storage_class) {
  if (storage_class == "FloatStorage") return DType::f32;
  if (storage_class == "BFloat16Storage") return DType::bf16;
  if (storage_class == "HalfStorage") return DType::f16;
  if (storage_class == "LongStorage") return DType::i64;
  if (storage_class == "IntStorage") return DType::i32;
  return std::nullopt;
}

bool starts_with(std::span<const std::byte> bytes, std::string_view text) {
  return bytes.size() >= text.size() && std::memcmp(bytes.data(), text.data(), text.size()) == 0;
}

/// "archive/", the folder of the only data.pkl.
std::string folder_of(const ZipArchive& archive, const std::string& file) {
  constexpr std::string_view pickle = "/data.pkl";
  std::optional<std::string> folder;
  for (const auto& [name, entry] : archive.entries()) {
    if (!name.ends_with(pickle)) continue;
    if (folder) throw Error(fmt::format("{}: it has more than one data.pkl", file));
    folder = name.substr(0, name.size() - pickle.size() + 1);
  }
  if (!folder) throw Error(fmt::format("{} is a zip file but not one of PyTorch: it has no data.pkl", file));
  return *folder;
}

bool is_contiguous(const PickledTensor& tensor) {
  std::int64_t expected = 1;  // cannot overflow: the caller has checked the shape
  for (std::size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) return false;
    expected *= tensor.shape[i];
  }
  return true;
}

/// One more than the largest index that the tensor reads; it has at least one element.
std::optional<std::int64_t> end_index(const PickledTensor& tensor) {
  std::optional<std::int64_t> end = checked_add(tensor.offset, 1);
  for (std::size_t i = 0; end && i < tensor.shape.size(); ++i) {
    const auto last = checked_multiply(tensor.shape[i] - 1, tensor.strides[i]);
    end = last ? checked_add(*end, *last) : std::nullopt;
  }
  return end;
}

TorchFile::TorchFile(const std::filesystem::path& file) : file_(file.string()), map_(map_weights(file)) {
  check_signature();
  const ZipArchive archive(map_.bytes(), file_);
  folder_ = folder_of(archive, file_);
  if (archive.entries().contains(folder_ + "byteorder") &&
      !starts_with(bytes_of(folder_ + "byteorder", archive), "little")) {
    throw Error(fmt::format("{} was written on a big-endian machine: save it again as safetensors", file_));
  }
  for (const auto& [name, tensor] : read_torch_pickle(bytes_of(folder_ + "data.pkl", archive), file_)) {
    tensors_.emplace(name, load(tensor, archive, fmt::format("{}: tensor '{}'", file_, printable(name))));
  }
}

void TorchFile::check_signature() const {
  const auto bytes = map_.bytes();
  if (starts_with(bytes, "PK")) return;
  if (starts_with(bytes, "\x80")) {  // a bare pickle: torch.save before PyTorch 1.6
    throw Error(fmt::format(
        "{} is in PyTorch's format from before 1.6: load it with PyTorch and save it again", file_));
  }
  throw Error(fmt::format("{} is not a PyTorch file (a zip file with a pickle)", file_));
}

/// The entry, in place if it can be. Decompressed data is kept as long as this object.
std::span<const std::byte> TorchFile::bytes_of(const std::string& entry, const ZipArchive& archive) {
  const auto found = archive.entries().find(entry);
  if (found != archive.entries().end() && found->second.in_place) return *found->second.in_place;
  return owned_.emplace_back(archive.read(entry));
}

std::span<const std::byte> TorchFile::storage(const std::string& key, std::int64_t bytes,
                                              const ZipArchive& archive, const std::string& where) {
  const std::string name = folder_ + "data/" + key;
  const auto entry = archive.entries().find(name);
  if (entry == archive.entries().end()) {
    throw Error(fmt::format("{}: its storage {} is missing", where, printable(name)));
  }
  if (entry->second.bytes != static_cast<std::uint64_t>(bytes)) {
    throw Error(
        fmt::format("{}: its storage has {} bytes, the pickle says {}", where, entry->second.bytes, bytes));
  }
  const auto known = storages_.find(key);
  if (known != storages_.end()) return known->second;
  return storages_.emplace(key, bytes_of(name, archive)).first->second;
}

SourceTensor TorchFile::load(const PickledTensor& tensor, const ZipArchive& archive,
                             const std::string& where) {
  const auto dtype = dtype_of_storage(tensor.storage_class);
  if (!dtype) {
    throw Error(fmt::format("{} is a {}: only Float, Half, BFloat16, Long and Int are supported", where,
                            tensor.storage_class));
  }
  const auto element_size = static_cast<std::int64_t>(size_of(*dtype));
  const auto bytes = checked_bytes(tensor.shape, element_size);
  const auto storage_bytes = checked_multiply(tensor.storage_size, element_size);
  if (!bytes || !storage_bytes) throw Error(fmt::format("{} has too large a shape", where));
  const auto source = storage(tensor.storage_key, *storage_bytes, archive, where);
  if (*bytes == 0) return {*dtype, tensor.shape, source.data(), 0, file_, false};

  const auto end = end_index(tensor);
  if (!end || *end > tensor.storage_size) throw Error(fmt::format("{} reaches beyond its storage", where));
  const auto data = is_contiguous(tensor)
                        ? source.subspan(static_cast<std::size_t>(tensor.offset * element_size),
                                         static_cast<std::size_t>(*bytes))
                        : gather(tensor, source, static_cast<std::size_t>(element_size), where);
  const auto file = map_.bytes();
  const bool mapped =
      std::less_equal<>()(file.data(), data.data()) && std::less<>()(data.data(), file.data() + file.size());
  return {*dtype, tensor.shape, data.data(), data.size(), file_, mapped};
}

/// Copies a tensor that is not contiguous (transposed, a slice) into row-major order. A storage's elements
/// may be used several times (an expanded tensor, strides of 0), so the copies are bounded: by the file for
/// all of them together.
std::span<const std::byte> TorchFile::gather(const PickledTensor& tensor, std::span<const std::byte> storage,
                                             std::size_t element_size, const std::string& where) {
  const auto bytes =
      static_cast<std::size_t>(*checked_bytes(tensor.shape, static_cast<std::int64_t>(element_size)));
  if (bytes > storage.size() || bytes > map_.bytes().size() - gathered_bytes_) {
    throw Error(fmt::format("{} repeats its storage: save it as a contiguous tensor", where));
  }
  gathered_bytes_ += bytes;
  std::vector<std::byte>& result = owned_.emplace_back(bytes);
  std::vector<std::int64_t> index(tensor.shape.size(), 0);
  std::int64_t source = tensor.offset;
  for (std::size_t target = 0; target < bytes; target += element_size) {
    std::memcpy(result.data() + target, storage.data() + static_cast<std::size_t>(source) * element_size,
                element_size);
    for (std::size_t axis = index.size(); axis-- > 0;) {
      if (tensor.shape[axis] == 1) continue;  // its stride means nothing, and may be anything
      source += tensor.strides[axis];
      if (++index[axis] < tensor.shape[axis]) break;
      source -= tensor.strides[axis] * tensor.shape[axis];
      index[axis] = 0;
    }
  }
  return result;
}

}  // namespace

std::unique_ptr<TensorSource> open_torch_bin(const std::filesystem::path& file) {
  return std::make_unique<TorchFile>(file);
}

}  // namespace cola
