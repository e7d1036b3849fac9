// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; what readers refuse is in docs/gguf.md.
#include "io/gguf/gguf_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <fstream>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "io/checked_size.h"
#include "io/gguf/byte_reader.h"
#include "io/gguf/gguf_types.h"
#include "io/printable.h"

namespace cola {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t max_keys = 4096;  // real files have a few dozen

/// What a file says of a tensor.
struct TensorInfo {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;  ///< outermost extent first
  std::int64_t offset = 0;
  std::int64_t bytes = 0;
};

GgufValue read_number(ByteReader& reader, std::uint32_t type, const std::string& what) {
  switch (type) {
    case 0:
      return reader.number<std::uint8_t>(what);
    case 1:
      return reader.number<std::int8_t>(what);
    case 2:
      return reader.number<std::uint16_t>(what);
    case 3:
      return reader.number<std::int16_t>(what);
    case 4:
      return reader.number<std::uint32_t>(what);
    case 5:
      return reader.number<std::int32_t>(what);
    case 6:
      return reader.number<float>(what);
    case 7:
      return reader.number<std::uint8_t>(what) != 0;
    case 10:
      return reader.number<std::uint64_t>(what);
    case 11:
      return reader.number<std::int64_t>(what);
    case 12:
      return reader.number<double>(what);
    default:
      reader.refuse(fmt::format("{} has the unknown type {}", what, type));
  }
}

std::int64_t bytes_of_element(std::uint32_t type, const ByteReader& reader, const std::string& what) {
  constexpr std::array<std::int64_t, 13> sizes{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  if (type >= sizes.size() || sizes[type] == 0)
    reader.refuse(fmt::format("{} is an array of type {}, which is not supported", what, type));
  return sizes[type];
}

constexpr std::uint32_t string_type = 8;
constexpr std::uint32_t array_type = 9;

GgufArray read_array(ByteReader& reader, const std::string& what) {
  GgufArray array;
  array.element_type = reader.number<std::uint32_t>(what);
  array.count = reader.number<std::uint64_t>(what);
  constexpr std::uint64_t most = std::uint64_t{1} << 30;
  if (array.count > most) reader.refuse(fmt::format("{} has {} elements, more than 2^30", what, array.count));
  if (array.element_type == string_type) {
    constexpr std::uint64_t least_bytes = 8;
    if (array.count > reader.left() / least_bytes) reader.refuse_truncated(what);
    array.strings.reserve(array.count);
    for (std::uint64_t i = 0; i < array.count; ++i) array.strings.push_back(reader.string(what));
  } else {
    const auto size = static_cast<std::uint64_t>(bytes_of_element(array.element_type, reader, what));
    array.numbers = reader.bytes(array.count * size, what);
  }
  return array;
}

void read_key(ByteReader& reader, GgufKeys& keys) {
  std::string name(reader.string("the name of a key"));
  const std::string what = fmt::format("key '{}'", printable(name));
  const auto type = reader.number<std::uint32_t>(what);
  if (type == string_type) return keys.add(std::move(name), reader.string(what));
  if (type == array_type) return keys.add(std::move(name), read_array(reader, what));
  keys.add(std::move(name), read_number(reader, type, what));
}

TensorInfo read_tensor_info(ByteReader& reader) {
  TensorInfo info;
  info.name = reader.string("the name of a tensor");
  const std::string what = fmt::format("tensor '{}'", printable(info.name));
  if (info.name.empty() || info.name.size() > max_gguf_name_bytes)
    reader.refuse(fmt::format("{}: a name has 1 to {} bytes", what, max_gguf_name_bytes));
  const auto dimensions = reader.number<std::uint32_t>(what);
  if (dimensions > max_gguf_dimensions)
    reader.refuse(fmt::format("{} has {} dimensions, more than {}", what, dimensions, max_gguf_dimensions));
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    info.shape.insert(info.shape.begin(), reader.number<std::int64_t>(what));
    if (info.shape.front() <= 0)
      reader.refuse(fmt::format("{} has a dimension of {}", what, info.shape.front()));
  }
  const auto type = reader.number<std::uint32_t>(what);
  const auto dtype = dtype_of_gguf(type);
  if (!dtype)
    reader.refuse(fmt::format("{} has the type {}, which is not supported", what, name_of_gguf_type(type)));
  info.dtype = *dtype;
  const BlockLayout block = layout_of(info.dtype);
  const std::int64_t row = info.shape.empty() ? 1 : info.shape.back();
  if (row % block.values != 0) {
    reader.refuse(fmt::format("{}: its rows of {} values are not whole blocks of {} ({})", what, row,
                              block.values, name_of(info.dtype)));
  }
  const auto values = checked_bytes(info.shape, 1);
  const auto bytes = values ? checked_multiply(*values / block.values, block.bytes) : std::nullopt;
  if (!bytes) reader.refuse(fmt::format("{}: its size is more than 2^63", what));
  info.bytes = *bytes;
  const auto offset = reader.number<std::uint64_t>(what);
  if (offset > reader.size()) reader.refuse(fmt::format("{} begins at {}, outside the file", what, offset));
  info.offset = static_cast<std::int64_t>(offset);
  return info;
}

std::uint64_t alignment_of(const GgufKeys& keys, const ByteReader& reader) {
  const auto alignment = keys.get<std::uint32_t>("general.alignment", 32);
  if (!std::has_single_bit(alignment))
    reader.refuse(fmt::format("general.alignment is {}, which is no power of two", alignment));
  return alignment;
}

void read_version(ByteReader& reader) {
  if (reader.left() < 4 || std::memcmp(reader.bytes(4, "its magic").data(), "GGUF", 4) != 0)
    reader.refuse("it is not a GGUF file");
  const auto version = reader.number<std::uint32_t>("the version");
  if ((version & 0xffffU) == 0) reader.refuse("it is big-endian, which is not supported");
  if (version < 2 || version > 3) reader.refuse(fmt::format("GGUF version {} is not supported", version));
}

/// One file's keys, and its tensors as views.
struct Part {
  GgufKeys keys;
  std::vector<std::pair<std::string, SourceTensor>> tensors;
};

/// The tensors follow each other in the order of their infos, each padded.
void place_tensors(std::vector<TensorInfo>& infos, std::uint64_t alignment, ByteReader& reader,
                   const std::string& file, Part& part) {
  if (infos.empty()) return;
  const auto unit = static_cast<std::int64_t>(alignment);
  const auto padded = [&](std::int64_t size) { return checked_add(size, (unit - size % unit) % unit); };
  const std::span<const std::byte> all = reader.all();
  const auto begin = padded(static_cast<std::int64_t>(all.size() - reader.left()));
  std::int64_t expected = 0;
  for (TensorInfo& info : infos) {
    if (info.offset != expected) {
      reader.refuse(fmt::format("tensor '{}' has offset {} where {} is expected", printable(info.name),
                                info.offset, expected));
    }
    const auto first = begin ? checked_add(*begin, info.offset) : std::nullopt;
    const auto end = first ? checked_add(*first, info.bytes) : std::nullopt;
    if (!end || static_cast<std::uint64_t>(*end) > all.size())
      reader.refuse(fmt::format("it is truncated or still downloading: tensor '{}' ends outside it",
                                printable(info.name)));
    part.tensors.emplace_back(std::move(info.name),
                              SourceTensor{info.dtype, std::move(info.shape), all.data() + *first,
                                           static_cast<std::size_t>(info.bytes), file, true});
    expected = *padded(info.offset + info.bytes);  // within the file, but for the padding
  }
}

Part read_part(std::span<const std::byte> bytes, const std::string& file) {
  ByteReader reader(bytes, file);
  Part part{GgufKeys(file), {}};
  read_version(reader);
  const auto tensor_count = reader.number<std::uint64_t>("the number of tensors");
  const auto key_count = reader.number<std::uint64_t>("the number of keys");
  constexpr std::uint64_t least_tensor_bytes = 25;
  if (key_count > max_keys)
    reader.refuse(fmt::format("it claims {} keys, more than {}", key_count, max_keys));
  for (std::uint64_t i = 0; i < key_count; ++i) read_key(reader, part.keys);
  if (tensor_count > reader.left() / least_tensor_bytes)
    reader.refuse(fmt::format("it claims {} tensors, for which it has no room", tensor_count));
  std::vector<TensorInfo> infos;
  for (std::uint64_t i = 0; i < tensor_count; ++i) infos.push_back(read_tensor_info(reader));
  place_tensors(infos, alignment_of(part.keys, reader), reader, file, part);
  return part;
}

std::string name_of_split(const std::string& stem, int number, int count) {
  return fmt::format("{}-{:05}-of-{:05}.gguf", stem, number, count);
}

/// NAME of NAME-00001-of-0000N.gguf. Throws Error for another file name.
std::string stem_of_split(const fs::path& file, int count) {
  const std::string name = file.filename().string();
  const std::string ending = name_of_split("", 1, count);
  if (name.size() <= ending.size() || !name.ends_with(ending)) {
    throw Error(fmt::format("{}: it is the first of {} files, whose name must end in {}", file.string(),
                            count, ending));
  }
  return name.substr(0, name.size() - ending.size());
}

}  // namespace

GgufFile::GgufFile(std::span<const std::byte> bytes, const std::string& name) : keys_(name) {
  Part part = read_part(bytes, name);
  keys_ = std::move(part.keys);
  add(std::move(part.tensors));
}

GgufFile::GgufFile(const fs::path& file) : keys_(file.string()) {
  maps_.push_back(map_weights(file));
  Part first = read_part(maps_.back().bytes(), file.string());
  keys_ = std::move(first.keys);
  add(std::move(first.tensors));
  const int count = keys_.get<std::uint16_t>("split.count", 1);
  if (count <= 1) return;
  if (const int number = keys_.get<std::uint16_t>("split.no", 0); number != 0) {
    throw Error(fmt::format("{}: it is number {} of {} files: give the first, -00001-of-{:05}.gguf",
                            file.string(), number + 1, count, count));
  }
  const std::string stem = stem_of_split(file, count);
  for (int number = 2; number <= count; ++number) {
    const fs::path path = file.parent_path() / name_of_split(stem, number, count);
    std::error_code ignored;
    if (!fs::exists(path, ignored))
      throw Error(fmt::format("{} is missing: the model has {} files", path.string(), count));
    maps_.push_back(map_weights(path));
    Part part = read_part(maps_.back().bytes(), path.string());
    if (part.keys.at<std::uint16_t>("split.no") != number - 1 ||
        part.keys.at<std::uint16_t>("split.count") != count) {
      throw Error(fmt::format("{}: by its keys split.no and split.count it is not number {} of {} files",
                              path.string(), number, count));
    }
    add(std::move(part.tensors));
  }
  const auto tensors = keys_.get<std::int32_t>("split.tensors.count", -1);
  if (tensors >= 0 && tensors != std::ssize(order_)) {
    throw Error(fmt::format("{}: split.tensors.count is {}, but the files have {} tensors", file.string(),
                            tensors, order_.size()));
  }
}

void GgufFile::add(std::vector<std::pair<std::string, SourceTensor>> tensors) {
  for (auto& [name, tensor] : tensors) {
    const auto [place, is_new] = tensors_.emplace(name, std::move(tensor));
    if (!is_new) throw Error(fmt::format("{}: tensor '{}' occurs twice", keys_.where(), printable(name)));
    order_.push_back(std::move(name));
  }
}

const SourceTensor* GgufFile::find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

bool is_gguf_file(const fs::path& path) {
  std::error_code ignored;
  if (path.extension() == ".gguf") return !fs::is_directory(path, ignored);
  if (!fs::is_regular_file(path, ignored)) return false;
  std::array<char, 4> magic{};
  std::ifstream(path, std::ios::binary).read(magic.data(), magic.size());
  return std::string_view(magic.data(), magic.size()) == "GGUF";
}

}  // namespace cola
