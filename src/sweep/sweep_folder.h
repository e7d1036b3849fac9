#pragma once
#include <filesystem>
#include <string>

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
  // Of FileLocks: while something runs.
  [[nodiscard]] std::filesystem::path lock() const { return root / "running" / "sweep.lock"; }
  [[nodiscard]] std::filesystem::path results_lock() const { return root / "running" / "results.lock"; }
  [[nodiscard]] std::filesystem::path trial_lock(const std::string& id) const {
    return root / "running" / (id + ".lock");
  }
  [[nodiscard]] bool finished(const std::string& id) const { return std::filesystem::exists(test(id)); }
};

/// Throws UsageError where the folder is no sweep's and not empty, or has a plan that differs, naming in
/// what.
void check_place(const SweepFolder& folder, const std::string& resolved);

/// Writes plan.toml, or checks that the one there says the same. Only under the sweep's lock: another sweep
/// could write its own plan at the same time.
void place_plan(const SweepFolder& folder, const std::string& resolved);

}  // namespace cola
