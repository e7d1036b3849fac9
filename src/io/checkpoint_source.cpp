#include <fmt/format.h>

#include <array>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"
#include "io/printable.h"
#include "io/quantized_weights.h"
#include "io/tensor_source.h"

namespace cola {
namespace {

namespace fs = std::filesystem;
using OpenShard = std::unique_ptr<TensorSource> (*)(const fs::path&);

constexpr std::size_t max_index_bytes = 100'000'000;

bool is_present(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

class ShardedCheckpoint final : public TensorSource {
 public:
  ShardedCheckpoint(const fs::path& index, OpenShard open_shard);
  [[nodiscard]] const std::map<std::string, SourceTensor>& tensors() const override { return tensors_; }

 private:
  std::map<std::string, std::unique_ptr<TensorSource>> shards_;
  std::map<std::string, SourceTensor> tensors_;
};

/// The name of a file beside the index: an index must not reach outside its folder.
std::string plain_file_name(const Json& value, const std::string& where) {
  if (!value.is_string()) throw Error(fmt::format("{}: 'weight_map' must map names to file names", where));
  auto name = value.get<std::string>();
  const bool plain = !name.empty() && name != "." && name != ".." &&
                     name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
  if (!plain)
    throw Error(fmt::format("{}: '{}' is not the name of a file in its folder", where, printable(name)));
  return name;
}

ShardedCheckpoint::ShardedCheckpoint(const fs::path& index, OpenShard open_shard) {
  const std::string where = index.string();
  const Json json = parse_json(read_text_file(index, max_index_bytes), where);
  const Json& weight_map = JsonReader(json, where).at("weight_map");
  if (!weight_map.is_object() || weight_map.empty()) {
    throw Error(fmt::format("{}: 'weight_map' must map names to file names", where));
  }
  for (const auto& [name, value] : weight_map.items()) {
    const std::string file = plain_file_name(value, where);
    auto& shard = shards_[file];
    if (!shard) {
      const fs::path path = index.parent_path() / file;
      if (!is_present(path)) {
        throw Error(fmt::format("{} is missing: {} lists it. Is the download complete?", path.string(),
                                index.filename().string()));
      }
      shard = open_shard(path);
    }
    const auto tensor = shard->tensors().find(name);
    if (tensor == shard->tensors().end()) {
      throw Error(fmt::format("{}: tensor '{}' is not in {}", where, printable(name), printable(file)));
    }
    tensors_.emplace(name, tensor->second);
  }
}

std::unique_ptr<TensorSource> open_sharded_safetensors(const fs::path& index) {
  return std::make_unique<ShardedCheckpoint>(index, open_safetensors);
}

std::unique_ptr<TensorSource> open_sharded_torch_bin(const fs::path& index) {
  return std::make_unique<ShardedCheckpoint>(index, open_torch_bin);
}

/// Opens what holds weights; a file of quantised ones is called that.
std::unique_ptr<TensorSource> open_weights(const fs::path& folder, const char* name, OpenShard open) {
  std::unique_ptr<TensorSource> source;
  try {
    source = open(folder / name);
  } catch (const Error& error) {  // their dtypes are others, too
    const std::string method = configured_quantization(folder);
    if (method.empty()) throw;
    throw Error(fmt::format("{} ({})", quantized_weights_message(folder, method), error.what()));
  }
  refuse_quantized_weights(folder, *source);
  return source;
}

}  // namespace

std::unique_ptr<TensorSource> open_checkpoint(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) throw Error(fmt::format("there is no folder {}", folder.string()));
  constexpr std::array<std::pair<const char*, OpenShard>, 4> in_order = {{
      {"model.safetensors", open_safetensors},
      {"model.safetensors.index.json", open_sharded_safetensors},
      {"pytorch_model.bin", open_torch_bin},
      {"pytorch_model.bin.index.json", open_sharded_torch_bin},
  }};
  for (const auto& [name, open] : in_order) {
    if (is_present(folder / name)) return open_weights(folder, name, open);
  }
  throw Error(
      fmt::format("no weights in {}: expected model.safetensors or pytorch_model.bin, or an index of shards",
                  folder.string()));
}

}  // namespace cola
