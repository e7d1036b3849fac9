#include "chain/run_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/error.h"
#include "io/discard_folder.h"
#include "io/files.h"
#include "lora/adapter.h"

namespace cola {
namespace {

const std::string checkpoint_prefix = "step-";

}  // namespace

std::filesystem::path RunFolder::checkpoint(std::int64_t step) const {
  return checkpoints() / fmt::format("{}{}", checkpoint_prefix, step);
}

std::vector<std::int64_t> RunFolder::checkpoint_steps() const {
  std::vector<std::int64_t> steps;
  if (!std::filesystem::is_directory(checkpoints())) return steps;
  for (const auto& entry : std::filesystem::directory_iterator(checkpoints())) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_directory() || !name.starts_with(checkpoint_prefix)) continue;
    std::int64_t step = 0;
    const char* const end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(name.data() + checkpoint_prefix.size(), end, step);
    if (error == std::errc() && stop == end) steps.push_back(step);
  }
  std::ranges::sort(steps);
  return steps;
}

void RunFolder::prune_checkpoints(std::int64_t keep) const {
  const auto steps = checkpoint_steps();
  for (std::size_t i = 0; i + static_cast<std::size_t>(keep) < steps.size(); ++i)
    discard_folder(checkpoint(steps[i]));
}

void write_manifest(const RunFolder& run, const ChainManifest& manifest) {
  Json links = Json::array();
  std::int64_t number = 1;
  for (const auto& entry : manifest.links) {
    links.push_back({{"folder", fmt::format("links/{}", number++)},
                     {"rank", entry.rank},
                     {"alpha", entry.alpha},
                     {"origin", entry.origin},
                     {"tied_at", entry.tied_at ? Json(*entry.tied_at) : Json(nullptr)}});
  }
  const Json json{{"format", "cola-chain"},
                  {"version", 1},
                  {"method", manifest.method},
                  {"base_model", manifest.base_model},
                  {"tie", manifest.tie},
                  {"steps_done", manifest.steps_done},
                  {"links", links}};
  write_text_file(run.manifest(), json.dump(2) + "\n");
}

ChainManifest read_manifest(const RunFolder& run) {
  if (!std::filesystem::exists(run.manifest())) {
    throw Error(
        fmt::format("{}: no chain.json: not a run folder, or a run stopped before its first checkpoint",
                    run.root.string()));
  }
  const Json json = read_json_file(run.manifest());
  const JsonReader reader(json, run.manifest().string());
  if (reader.string("format", "") != "cola-chain" || reader.integer("version") != 1) {
    throw Error(fmt::format("{}: not a chain manifest of this version of cola", run.manifest().string()));
  }
  ChainManifest manifest{reader.string("method"),
                         reader.string("base_model"),
                         reader.string("tie"),
                         reader.integer("steps_done"),
                         {}};
  for (const auto& entry : reader.at("links")) {
    const JsonReader link(entry, run.manifest().string());
    manifest.links.push_back({link.integer("rank"), link.number("alpha"), link.string("origin"),
                              link.has("tied_at") ? std::optional(link.integer("tied_at")) : std::nullopt});
  }
  return manifest;
}

std::vector<Link> read_links(const RunFolder& run, std::int64_t count) {
  std::vector<Link> links;
  for (std::int64_t number = 1; number <= count; ++number) links.push_back(read_adapter(run.link(number)));
  return links;
}

}  // namespace cola
