#include "lora/adapter.h"

#include <fmt/format.h>

#include <iterator>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"
#include "io/unreal_numbers.h"
#include "lora/mlx_format.h"
#include "lora/peft_format.h"

namespace cola {
namespace {

/// What a folder without adapter_config.json may be instead.
std::string without_configuration(const std::filesystem::path& folder) {
  if (std::filesystem::exists(folder / "config.json"))
    return "it has a config.json, and is a whole model: give it with --model";
  if (std::filesystem::exists(folder / "chain.json")) return "it is a run of cola train: give it with --run";
  return "not a PEFT or mlx-lm adapter folder";
}

Json parse_config(std::string_view text, const std::string& file) {
  try {
    return parse_json(text, file);
  } catch (const Error&) {
    const std::string found = find_unreal_number(text);
    if (found.empty()) throw;
    throw Error(fmt::format("{}: {}: it must be a finite number", file, found));
  }
}

}  // namespace

Adapter open_adapter(const std::filesystem::path& folder, const BaseTensors* base) {
  const auto config_file = folder / "adapter_config.json";
  if (!std::filesystem::exists(config_file))
    throw Error(
        fmt::format("{}: no adapter_config.json: {}", folder.string(), without_configuration(folder)));
  const std::string text = read_text_file(config_file);
  const Json json = parse_config(text, config_file.string());
  if (is_mlx_config(JsonReader(json, config_file.string()))) return read_mlx_adapter(folder, json, base);
  return read_peft_adapter(folder, text, base);
}

Link read_adapter(const std::filesystem::path& folder) { return open_adapter(folder, nullptr).link; }

std::vector<Link> read_adapters(std::span<const std::filesystem::path> folders, const BaseTensors* base,
                                std::vector<std::string>& notes) {
  std::vector<Link> links;
  for (const auto& folder : folders) {
    Adapter adapter = open_adapter(folder, base);
    std::ranges::move(adapter.notes, std::back_inserter(notes));
    links.push_back(std::move(adapter.link));
  }
  return links;
}

}  // namespace cola
