#include "io/safetensors_writer.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "io/durable_file.h"
#include "io/printable.h"

namespace cola {
namespace {

std::string_view header_name(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "F32";
    case DType::bf16:
      return "BF16";
    case DType::f16:
      return "F16";
    case DType::i64:
      return "I64";
    case DType::i32:
      return "I32";
    default:
      throw std::logic_error("safetensors has no name for a quantised type");
  }
}

std::string header_of(const std::vector<TensorToWrite>& tensors,
                      const std::map<std::string, std::string>& metadata, const std::string& file) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  nlohmann::ordered_json& shown = header["__metadata__"];
  shown["format"] = "pt";
  for (const auto& [key, value] : metadata) shown[key] = value;
  // ordered_json looks keys up one after the other: names are checked in a set, then appended without a
  // look-up.
  std::set<std::string_view> names{"__metadata__"};
  auto& members = header.get_ref<nlohmann::ordered_json::object_t&>();
  std::size_t offset = 0;
  for (const TensorToWrite& tensor : tensors) {
    if (!names.insert(tensor.name).second) {
      throw Error(fmt::format("cannot write {}: two tensors are named '{}'", file, printable(tensor.name)));
    }
    const std::size_t end = offset + tensor.bytes();
    members.emplace_back(tensor.name, nlohmann::ordered_json{{"dtype", header_name(tensor.dtype)},
                                                             {"shape", tensor.shape},
                                                             {"data_offsets", {offset, end}}});
    offset = end;
  }
  try {
    std::string text = header.dump();
    text.append((8 - text.size() % 8) % 8, ' ');
    return text;
  } catch (const nlohmann::json::exception&) {
    throw Error(fmt::format("cannot write {}: a name or metadata is not UTF-8", file));
  }
}

}  // namespace

void write_safetensors(const std::filesystem::path& file, const std::vector<TensorToWrite>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  const std::string header = header_of(tensors, metadata, file.string());
  std::array<std::byte, 8> length{};
  for (std::size_t i = 0; i < length.size(); ++i)
    length[i] = static_cast<std::byte>(header.size() >> (8 * i) & 0xffU);

  DurableFile output(file);
  output.write(length);
  output.write(std::as_bytes(std::span(header)));
  std::vector<std::byte> buffer;
  for (const TensorToWrite& tensor : tensors) {
    buffer.resize(tensor.bytes());
    tensor.fill(buffer);
    output.write(buffer);
  }
  output.commit();
}

}  // namespace cola
