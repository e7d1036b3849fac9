// Format: https://huggingface.co/docs/safetensors - 8 bytes little-endian length of the header, a JSON
// object, the tensors' bytes. As in the reference implementation, the tensors cover those bytes without gap
// or overlap.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "io/checked_size.h"
#include "io/json.h"
#include "io/memory_map.h"
#include "io/printable.h"
#include "io/tensor_source.h"

namespace cola {
namespace {

constexpr std::uint64_t max_header_bytes = 100'000'000;  // the reference implementation's limit
constexpr std::size_t length_bytes = 8;

class SafetensorsFile final : public TensorSource {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);
  [[nodiscard]] const std::map<std::string, SourceTensor>& tensors() const override { return tensors_; }

 private:
  MemoryMap map_;
  std::map<std::string, SourceTensor> tensors_;
};

struct HeaderEntry {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::int64_t begin = 0;  ///< bytes after the header
  std::int64_t end = 0;
};

std::optional<DType> dtype_from_header(std::string_view name) {
  if (name == "F32") return DType::f32;
  if (name == "BF16") return DType::bf16;
  if (name == "F16") return DType::f16;
  if (name == "I64") return DType::i64;
  if (name == "I32") return DType::i32;
  return std::nullopt;
}

/// The JSON text of the header.
std::string_view header_text(std::span<const std::byte> bytes, const std::string& file) {
  if (bytes.size() < length_bytes) {
    throw Error(fmt::format("{} is truncated or still downloading: it has {} bytes", file, bytes.size()));
  }
  std::uint64_t length = 0;
  for (std::size_t i = length_bytes; i-- > 0;)
    length = length << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  if (length > max_header_bytes) {
    throw Error(fmt::format("{} is not a safetensors file: its header claims {} bytes, more than {}", file,
                            length, max_header_bytes));
  }
  if (length > bytes.size() - length_bytes) {
    throw Error(fmt::format("{} is truncated or still downloading: it has {} bytes, its header alone {}",
                            file, bytes.size(), length + length_bytes));
  }
  return {reinterpret_cast<const char*>(bytes.data()) + length_bytes, static_cast<std::size_t>(length)};
}

/// An array of sizes that are not negative.
std::vector<std::int64_t> sizes_of(const JsonReader& entry, const std::string& key) {
  const Json& array = entry.at(key);
  std::vector<std::int64_t> result;
  const auto fits = [](const Json& value) {
    return value.is_number_unsigned() &&
           value.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  };
  if (!array.is_array() || !std::all_of(array.begin(), array.end(), fits)) {
    throw Error(fmt::format("{}: '{}' must be an array of sizes, none negative", entry.where(), key));
  }
  for (const Json& value : array) result.push_back(value.get<std::int64_t>());
  return result;
}

HeaderEntry read_entry(const std::string& name, const Json& value, const std::string& file) {
  const JsonReader entry(value, fmt::format("{}: tensor '{}'", file, printable(name)));
  HeaderEntry result;
  result.name = name;
  const std::string dtype = entry.string("dtype");
  const auto known = dtype_from_header(dtype);
  if (!known) {
    throw Error(fmt::format("{} has dtype {}: only F32, F16, BF16, I64 and I32 are supported", entry.where(),
                            printable(dtype)));
  }
  result.dtype = *known;
  result.shape = sizes_of(entry, "shape");
  const auto offsets = sizes_of(entry, "data_offsets");
  if (offsets.size() != 2 || offsets[0] > offsets[1]) {
    throw Error(fmt::format("{}: 'data_offsets' must be [begin, end]", entry.where()));
  }
  result.begin = offsets[0];
  result.end = offsets[1];
  const auto bytes = checked_bytes(result.shape, static_cast<std::int64_t>(size_of(result.dtype)));
  if (!bytes || *bytes != result.end - result.begin) {
    throw Error(fmt::format("{}: {} bytes do not match its shape", entry.where(), result.end - result.begin));
  }
  return result;
}

/// The tensors cover [0, data_bytes) without gap or overlap.
void check_layout(std::vector<HeaderEntry>& entries, std::size_t data_begin, std::size_t file_bytes,
                  const std::string& file) {
  std::sort(entries.begin(), entries.end(), [](const HeaderEntry& a, const HeaderEntry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  const auto data_bytes = static_cast<std::int64_t>(file_bytes - data_begin);
  std::int64_t covered = 0;
  for (const HeaderEntry& entry : entries) {
    if (entry.begin != covered) {
      throw Error(
          fmt::format("{}: tensor '{}' {}", file, printable(entry.name),
                      entry.begin < covered ? "overlaps another tensor" : "follows bytes of no tensor"));
    }
    covered = entry.end;
  }
  if (covered > data_bytes) {
    throw Error(fmt::format("{} is truncated or still downloading: it has {} bytes, its header says {}", file,
                            file_bytes, static_cast<std::uint64_t>(covered) + data_begin));
  }
  if (covered < data_bytes) {
    throw Error(fmt::format("{} is damaged: it has {} bytes, its header says {}", file, file_bytes,
                            static_cast<std::uint64_t>(covered) + data_begin));
  }
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : map_(map_weights(path)) {
  const std::string file = path.string();
  const auto bytes = map_.bytes();
  const std::string_view text = header_text(bytes, file);
  const Json header = parse_json_with_unique_keys(text, fmt::format("{}: header", file));
  if (!header.is_object()) throw Error(fmt::format("{}: its header must be a JSON object", file));
  std::vector<HeaderEntry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name != "__metadata__") entries.push_back(read_entry(name, value, file));
  }
  const std::size_t data_begin = length_bytes + text.size();
  check_layout(entries, data_begin, bytes.size(), file);
  for (HeaderEntry& entry : entries) {
    const auto range = bytes.subspan(data_begin + static_cast<std::size_t>(entry.begin),
                                     static_cast<std::size_t>(entry.end - entry.begin));
    tensors_.emplace(std::move(entry.name), SourceTensor{entry.dtype, std::move(entry.shape), range.data(),
                                                         range.size(), file, true});
  }
}

}  // namespace

std::unique_ptr<TensorSource> open_safetensors(const std::filesystem::path& file) {
  return std::make_unique<SafetensorsFile>(file);
}

}  // namespace cola
