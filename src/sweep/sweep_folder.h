#pragma once
#include <filesystem>
#include <string>

#include "io/file_descriptor.h"

namespace cola {

/// Paths of a sweep's folder (docs/formats.md shows it whole).
struct SweepFolder {
  std::filesystem::path root;

  [[nodiscard]] std::filesystem::path plan() const { return root / "plan.toml"; }
  [[nodiscard]] std::filesystem::path trial(const std::string& id) const { return root / "trials" / id; }
  [[nodiscard]] std::filesystem::path test(const std::string& id) const { return trial(id) / "test.json"; }
  [[nodiscard]] std::filesystem::path predictions(const std::string& id) const {
    return trial(id) / "predictions.jsonl";
  }
  [[nodiscard]] std::filesystem::path error(const std::string& id) const { return trial(id) / "error.txt"; }
  /// What a running trial writes to standard error.
  [[nodiscard]] std::filesystem::path messages(const std::string& id) const {
    return root / "running" / (id + ".txt");
  }
  [[nodiscard]] std::filesystem::path lock() const { return root / "running" / "sweep.lock"; }
  [[nodiscard]] std::filesystem::path trial_lock(const std::string& id) const {
    return root / "running" / (id + ".lock");
  }
  [[nodiscard]] bool finished(const std::string& id) const { return std::filesystem::exists(test(id)); }
};

/// Holds flock(2) on a file, created if missing, until it is destroyed or the process ends. Tries for
/// `patience` seconds; throws Error with `refusal` where another process has it.
[[nodiscard]] FileDescriptor lock_file(const std::filesystem::path& file, const std::string& refusal,
                                       int patience);

/// Writes plan.toml, or checks that the one there says the same. Throws UsageError naming what differs.
void place_plan(const SweepFolder& folder, const std::string& resolved);

}  // namespace cola
