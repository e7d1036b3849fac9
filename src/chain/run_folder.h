#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "io/json.h"
#include "lora/link.h"

namespace cola {

/// Paths and small files of a run folder (docs/formats.md shows it whole).
struct RunFolder {
  std::filesystem::path root;

  [[nodiscard]] std::filesystem::path config() const { return root / "config.toml"; }
  [[nodiscard]] std::filesystem::path log() const { return root / "log.jsonl"; }
  [[nodiscard]] std::filesystem::path manifest() const { return root / "chain.json"; }
  [[nodiscard]] std::filesystem::path link(std::int64_t number) const {
    return links() / std::to_string(number);
  }
  [[nodiscard]] std::filesystem::path links() const { return root / "links"; }
  [[nodiscard]] std::filesystem::path checkpoints() const { return root / "checkpoints"; }
  [[nodiscard]] std::filesystem::path checkpoint(std::int64_t step) const;
  [[nodiscard]] std::filesystem::path best() const { return root / "best"; }
  [[nodiscard]] std::filesystem::path last() const { return root / "last"; }

  /// Steps of the complete checkpoints, increasing.
  [[nodiscard]] std::vector<std::int64_t> checkpoint_steps() const;
  /// Removes checkpoints but the newest `keep`.
  void prune_checkpoints(std::int64_t keep) const;
};

/// chain.json: the chain as data.
struct ChainManifest {
  struct Entry {
    std::int64_t rank = 0;  ///< of most of its modules
    double alpha = 0.0;
    std::string origin;                   ///< "trained", or the folder it was read from
    std::optional<std::int64_t> tied_at;  ///< optimizer steps done when it was tied; none for the live link
  };
  std::string method;
  std::string base_model;
  std::string tie;
  std::int64_t steps_done = 0;
  std::vector<Entry> links;  ///< links/1, links/2, ...
};
void write_manifest(const RunFolder& run, const ChainManifest& manifest);
[[nodiscard]] ChainManifest read_manifest(const RunFolder& run);

/// Reads links/1 .. links/count of a run. Throws Error if one is missing.
[[nodiscard]] std::vector<Link> read_links(const RunFolder& run, std::int64_t count);

}  // namespace cola
