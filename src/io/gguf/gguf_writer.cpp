// What readers demand of a file is in docs/gguf.md.
#include "io/gguf/gguf_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <set>
#include <span>
#include <stdexcept>
#include <string_view>

#include "core/error.h"
#include "io/durable_file.h"
#include "io/gguf/byte_writer.h"
#include "io/gguf/gguf_types.h"
#include "io/printable.h"

namespace cola {
namespace {

constexpr std::uint32_t version = 3;

std::size_t padded(std::size_t size) {
  constexpr std::size_t alignment = 32;
  return (size + alignment - 1) / alignment * alignment;
}

void check(const TensorToWrite& tensor, std::set<std::string_view>& names, const std::string& file) {
  const auto refuse = [&](const std::string& why) {
    throw Error(fmt::format("cannot write {}: tensor '{}' {}", file, printable(tensor.name), why));
  };
  if (tensor.name.empty() || tensor.name.size() > max_gguf_name_bytes)
    refuse(fmt::format("has a name of {} bytes, where 1 to {} are allowed", tensor.name.size(),
                       max_gguf_name_bytes));
  if (!names.insert(tensor.name).second) refuse("is there twice");
  if (tensor.shape.size() > max_gguf_dimensions)
    refuse(fmt::format("has {} dimensions, more than {}", tensor.shape.size(), max_gguf_dimensions));
  if (std::ranges::any_of(tensor.shape, [](std::int64_t extent) { return extent < 1; }))
    refuse("has a dimension below 1");
}

/// All that comes before the values.
std::vector<std::byte> header_of(const GgufMetadata& keys, const std::vector<TensorToWrite>& tensors,
                                 const std::string& file) {
  if (keys.has("general.alignment")) throw std::logic_error("tensors are aligned to 32 bytes, without a key");
  std::vector<std::byte> bytes;
  ByteWriter writer(bytes);
  writer.raw(std::as_bytes(std::span(std::string_view("GGUF"))));
  writer.number(version);
  writer.number<std::uint64_t>(tensors.size());
  writer.number<std::uint64_t>(keys.count());
  writer.raw(keys.bytes());
  std::set<std::string_view> names;
  std::uint64_t offset = 0;
  for (const TensorToWrite& tensor : tensors) {
    check(tensor, names, file);
    writer.string(tensor.name);
    writer.number(static_cast<std::uint32_t>(tensor.shape.size()));
    for (const std::int64_t extent : std::views::reverse(tensor.shape)) writer.number(extent);
    writer.number(gguf_type_of(tensor.dtype));
    writer.number(offset);
    offset += padded(tensor.bytes());
  }
  if (!tensors.empty()) bytes.resize(padded(bytes.size()));
  return bytes;
}

}  // namespace

void write_gguf(const std::filesystem::path& file, const GgufMetadata& keys,
                const std::vector<TensorToWrite>& tensors) {
  const std::vector<std::byte> header = header_of(keys, tensors, file.string());
  DurableFile output(file);
  output.write(header);
  std::vector<std::byte> buffer;
  for (const TensorToWrite& tensor : tensors) {
    const std::size_t size = tensor.bytes();
    buffer.assign(padded(size), std::byte{0});
    tensor.fill(std::span(buffer).first(size));
    output.write(buffer);
  }
  output.commit();
}

std::vector<std::byte> gguf_bytes(const GgufMetadata& keys) { return header_of(keys, {}, ""); }

}  // namespace cola
