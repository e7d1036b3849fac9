#pragma once
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "io/json.h"

namespace cola {

/// log.jsonl of a run: one object a line, appended and flushed at once. Keys and events: docs/formats.md.
class RunLog {
 public:
  /// Takes what is written and keeps nothing: of a process beside the one that writes the run folder.
  RunLog() = default;
  /// Opens for appending and locks. Throws Error if another process has it open.
  explicit RunLog(const std::filesystem::path& file);

  void cut(std::int64_t bytes);              ///< back to that length; throws Error if the log is shorter
  void write(const Json& event);             ///< throws Error if the disk is full
  void sync();                               ///< to the disk: before a checkpoint that refers to its length
  [[nodiscard]] std::int64_t bytes() const;  ///< 0 where nothing is kept

 private:
  struct Close {
    // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): of fopen
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;
};

/// Reads a log; a last line that was cut short is passed over.
[[nodiscard]] std::vector<Json> read_run_log(const std::filesystem::path& file);

}  // namespace cola
