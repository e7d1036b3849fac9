#include <fmt/format.h>

#include <system_error>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"
#include "io/safetensors_writer.h"

namespace cola {
namespace {

/// Consecutive tensors to a shard, as many as fit; a tensor larger than a shard is alone in its own.
std::vector<std::vector<TensorToWrite>> split_into_shards(const std::vector<TensorToWrite>& tensors,
                                                          std::size_t max_shard_bytes) {
  std::vector<std::vector<TensorToWrite>> shards(1);
  std::size_t used = 0;
  for (const TensorToWrite& tensor : tensors) {
    const std::size_t bytes = tensor.bytes();
    if (!shards.back().empty() && (used > max_shard_bytes || bytes > max_shard_bytes - used)) {
      shards.emplace_back();
      used = 0;
    }
    shards.back().push_back(tensor);
    used += bytes;
  }
  return shards;
}

void write_shards(const std::filesystem::path& folder, const std::vector<std::vector<TensorToWrite>>& shards,
                  std::vector<std::filesystem::path>& written) {
  Json weight_map = Json::object();
  std::size_t total_size = 0;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    written.push_back(folder / name);
    write_safetensors(folder / name, shards[i]);
    for (const TensorToWrite& tensor : shards[i]) {
      if (weight_map.contains(tensor.name)) {
        throw Error(fmt::format("cannot write {}: two tensors are named '{}'", folder.string(), tensor.name));
      }
      weight_map[tensor.name] = name;
      total_size += tensor.bytes();
    }
  }
  const Json index = {{"metadata", {{"total_size", total_size}}}, {"weight_map", weight_map}};
  write_text_file(folder / "model.safetensors.index.json", index.dump(2) + "\n");
}

}  // namespace

void write_checkpoint(const std::filesystem::path& folder, const std::vector<TensorToWrite>& tensors,
                      std::int64_t max_shard_bytes) {
  if (max_shard_bytes <= 0) {
    throw UsageError(fmt::format("a shard of at most {} bytes holds nothing", max_shard_bytes));
  }
  const auto shards = split_into_shards(tensors, static_cast<std::size_t>(max_shard_bytes));
  const auto single = folder / "model.safetensors";
  if (shards.size() == 1) return write_safetensors(single, tensors);
  if (std::filesystem::exists(single)) {
    throw Error(
        fmt::format("{} exists and would be read instead of the shards to be written beside it: remove it",
                    single.string()));
  }
  std::vector<std::filesystem::path> written;
  try {
    write_shards(folder, shards, written);
  } catch (...) {
    std::error_code ignored;
    for (const auto& file : written) std::filesystem::remove(file, ignored);
    throw;
  }
}

}  // namespace cola
